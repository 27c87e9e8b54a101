"""Table 3 and figures 3 and 5 of flow map matching, from tiny jobs and from invented scores."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest

from twostep_rs.reproduce import Request, Store, registry
from twostep_rs.reproduce.flow_maps import work
from twostep_rs.reproduce.flow_maps.jobs import Scores, Training
from twostep_rs.reproduce.flow_maps.models import MODELS, VELOCITY
from twostep_rs.reproduce.job import DOCUMENT
from twostep_rs.reproduce.schedule import in_order
from twostep_rs.reproduce.targets.flow_maps import PRINTED
from twostep_rs.reproduce.worker import do
from twostep_rs.runs.files import write_json
from twostep_rs.systems import Checkerboard
from twostep_rs.training.checkpoint import CheckpointFile

TINY = Request(
    overrides=(
        "stage_1.steps=8",
        "stage_1.width=8",
        "stage_1.depth=2",
        "stage_1.batch=32",
        "simulation.particles=400",
        "evaluation.particles=60",
        "evaluation.references=2",
        "evaluation.floor_pairs=2",
    )
)
TABLE = registry.get("flow-map-table-3")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("store"))
    for job in in_order(TABLE.jobs(TINY)).values():
        do(job, store, 1)
    return store


def scores(model):
    (job,) = (job for job in TABLE.jobs(TINY) if isinstance(job, Scores) and job.model == model)
    return job


def test_every_model_is_trained_once_and_scored_beside_its_floor(store):
    jobs = in_order(TABLE.jobs(TINY)).values()
    trained = [job.model for job in jobs if isinstance(job, Training)]
    assert sorted(trained) == sorted(MODELS)
    assert trained.index(VELOCITY) < trained.index("lmd")
    assert trained.index("fmm-4") < trained.index("pfmm")
    document = store.document(scores(None))
    assert document["divergence"][0] > 0.0
    assert document["to_data"][0] > 0.0


def test_scores_are_those_of_the_clouds_that_figures_show(store):
    job = scores("lmd")
    found = store.document(job)["scores"]["1"]
    assert found.keys() == {"divergence", "outside", "to_data", "to_flow", "error", "moved"}
    with np.load(store.path(job) / "clouds.npz") as clouds:
        gaps = np.square(clouds["1"] - clouds["flow"]).sum(axis=1)
        outside = 1.0 - Checkerboard().contains(clouds["1"]).mean()
        assert not np.array_equal(clouds["1"], clouds["4"])
    # Six hundred particles against the first hundred and twenty of other streams of the same law.
    assert found["error"] == pytest.approx(gaps.mean(), rel=0.5)
    assert found["outside"] == pytest.approx(outside, abs=0.15)
    assert set(store.document(scores(VELOCITY))["scores"]["64"]) == {
        "divergence",
        "outside",
        "to_data",
    }


def test_a_student_learns_from_the_velocity_that_was_trained(store):
    curve = store.document(scores("lmd").training("lmd"))["curve"]
    assert [step for step, _ in curve] == list(range(1, 9))
    joined = store.document(scores("pfmm").training("pfmm"))["curve"]
    matched = store.document(scores("fmm-4").training("fmm-4"))["curve"]
    assert joined[0][1] < 0.1 * matched[-1][1]  # it begins with its teacher's weights


def test_a_checkpoint_may_come_before_the_first_metrics(tmp_path, monkeypatch):
    """As where the first step is compiled."""
    always = functools.partial(CheckpointFile, every_seconds=0.0)
    monkeypatch.setattr(work, "CheckpointFile", always)
    longer = dataclasses.replace(TINY, overrides=(*TINY.overrides, "stage_1.steps=300"))
    (job,) = (job for job in TABLE.jobs(longer) if isinstance(job, Scores) and job.model == "lsd")
    store = Store(tmp_path)
    do(job.training("lsd"), store, 1)
    assert (store.path(job.training("lsd")) / "training.ckpt").exists()


@pytest.mark.parametrize("name", ["table-3", "figure-3", "figure-5"])
def test_targets_are_summarised(store, name):
    summary = registry.get(f"flow-map-{name}").summarise(TINY, store)
    assert len(summary.figures) == 1
    if name == "table-3":
        (table,) = summary.tables
        assert all(len(line) == len(table.heading) for line in table.lines)
        assert len(table.lines) == 1 + sum(len(model.jumps) or 1 for model in MODELS.values())
        # A velocity that has hardly been trained says nothing of ratios to it.
        assert {claim.verdict for claim in summary.claims if "times" in claim.statement} == {"open"}


def invented(tmp_path, factor):
    """A store whose maps have the printed ratios to the velocity, times a factor."""
    store = Store(tmp_path)
    for job in in_order(TABLE.jobs(TINY)).values():
        document = {"curve": [[1, 1.0], [2, 0.5]]}
        if isinstance(job, Scores) and job.model is None:
            document = {"divergence": [0.002, 1e-5], "to_data": [0.02, 1e-3]}
        elif isinstance(job, Scores):
            document = {"scores": {}}
            for jumps in MODELS[job.model].jumps or (64,):
                key = (job.model, 0 if job.model == VELOCITY else jumps)
                divergence, *_, error = PRINTED.get(key, (0.05, None, None, 0.02))
                scale = 1.0 if job.model == VELOCITY else factor
                document["scores"][str(jumps)] = {
                    "divergence": scale * divergence,
                    "outside": 0.01,
                    "to_data": [0.02, 0.001],
                    "error": error,
                }
        write_json(store.path(job) / DOCUMENT, document)
    return store


@pytest.mark.parametrize(
    ("factor", "ratios", "best"),
    [
        (1.0, "reproduced", "not reproduced"),
        (0.5, "better", "better"),
        (2.0, "not reproduced", "not reproduced"),
    ],
)
def test_verdicts_follow_from_the_ratios(tmp_path, factor, ratios, best):
    claims = TABLE.summarise(TINY, invented(tmp_path, factor)).claims
    by_ratio = [claim for claim in claims if "times the KL" in claim.statement]
    assert [claim.verdict for claim in by_ratio] == [*[ratios] * 5, best]
    others = [claim for claim in claims if claim not in by_ratio]
    assert len(others) == 4
    assert {claim.verdict for claim in others} == {"reproduced"}
