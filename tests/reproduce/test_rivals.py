"""Table 2 and its figures at a tiny size, and what the verdicts rest on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reproduce_jobs import TINY, do
from twostep_rs import experiments
from twostep_rs.reproduce import Request, RunJob, Store, costs, entries, registry
from twostep_rs.reproduce.ranking import Ranking, ranking
from twostep_rs.reproduce.schedule import in_order
from twostep_rs.reproduce.scores import Score
from twostep_rs.reproduce.targets import rivals
from twostep_rs.runs import config_file

SMALL = (*TINY, "simulation.parameters=20,60,150", "stage_2.pool=2")
SOME = tuple(e for e in entries.ENTRIES if e.name in ("meanflow", "imm", "sf2m", "deep-particle"))


@pytest.fixture
def tiny(monkeypatch):
    experiment = experiments.get("ks3d-laminar")
    small = replace(
        experiment, config=lambda preset: config_file.override(experiment.config(preset), SMALL)
    )
    monkeypatch.setattr(entries.experiments, "get", lambda name: small)
    monkeypatch.setattr(entries, "ENTRIES", SOME)
    monkeypatch.setattr(costs, "_PARTICLES", 100)


def test_table_2_and_its_figures(tiny, tmp_path):
    store, request = Store(tmp_path), Request("quick")
    table = do(registry.get("table-2"), request, store)
    scores, ranks, costs, printed = table.tables
    assert scores.heading == (
        "sigma",
        "floor",
        "meanflow",
        "meanflow + DP",
        "imm",
        "imm + DP",
        "deep-particle",
        "sf2m",
        "nearest cloud",
        "interpolated clouds",
        "entropic map",
        "training range",
    )
    assert [line[0] for line in scores.lines] == ["20", "160"]
    assert len(ranks.lines) == 6
    by_method = {line[0]: line for line in costs.lines}
    assert by_method["MeanFlow + DP"][2] == "2"
    assert by_method["Deep Particle alone"][2] == "1"
    assert by_method["SF2M, 100 steps"][2] == "100"
    assert len(printed.lines) == 10
    assert len(table.claims) == 2
    for name in ("figure-6", "figure-7", "figure-8"):
        assert do(registry.get(name), request, store).figures.keys() == {name}


def test_every_entry_has_a_run_of_its_own_with_the_same_budget(tiny):
    for preset in ("quick", "full", "paper"):
        runs = [
            entries.entry_run(entry, "ks3d-laminar", Request(preset), 0)
            for entry in entries.entries(preset)
        ]
        assert len({run.name for run in runs}) == len(runs)
        budgets = {
            (run.config.stage_1.steps * entry.phases, run.config.stage_1.batch)
            for entry, run in zip(entries.entries(preset), runs, strict=True)
        }
        assert len(budgets) == 1
        assert len({run.config.simulation for run in runs}) == 1


def test_overrides_reach_every_run_of_every_target():
    request = Request("quick", overrides=("evaluation.bins=7", "stage_1.learning_rate=2e-4"))
    runs = {
        name: [job for job in in_order(target.jobs(request)).values() if isinstance(job, RunJob)]
        for name, target in registry.targets().items()
    }
    assert {"table-1", "table-2", "figure-5", "figure-11", "w-flow-figure-6"} <= {
        name for name, found in runs.items() if found
    }
    for found in runs.values():
        assert {run.config.evaluation.bins for run in found} <= {7}
        # Trials of a search have rates of their own, which are multiples of it.
        rates = {run.config.stage_1.learning_rate for run in found if "-search/" not in run.name}
        assert rates <= {2e-4}


def curves(**values):
    """Scores at sigma = 160 with an error of 0.001."""
    return {name: {160.0: Score(v, 1e-3, 0.005, 1e-4, False)} for name, v in values.items()}


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.04, 0.03, 0.02, 0.01), "reproduced"),
        ((0.04, 0.03, 0.0295, 0.01), "open"),
        ((0.01, 0.03, 0.02, 0.01), "not reproduced"),
    ],
)
def test_the_verdict_on_the_order_takes_differences_beyond_their_error(values, verdict):
    found = curves(**dict(zip(("meanflow", "imm", "sf2m", "meanflow + DP"), values, strict=True)))
    assert rivals._ordering(found, "").verdict == verdict


def test_the_verdict_on_ours_names_who_is_below():
    found = curves(**{"meanflow + DP": 0.02, "imm": 0.01, "sf2m": 0.001, "shortcut": 0.019})
    claim = rivals._lowest(found, "")
    assert (claim.verdict, claim.reason) == ("not reproduced", "imm at 160")


def test_ranks_are_those_of_friedman():
    found = ranking(
        {"a": [1.0, 1.0, 2.0, 1.0], "b": [2.0, 2.0, 1.0, 1.0], "c": [3.0, 3.0, 3.0, 3.0]}
    )
    assert found.ranks == {"a": 1.375, "b": 1.625, "c": 3.0}
    # Demsar 2006, table 5: q_0.05 = 2.343 for three methods.
    assert found.critical_difference == pytest.approx(2.343 * (3 * 4 / 24) ** 0.5, abs=1e-3)
    assert found.tied == ["a", "b", "c"]  # c is 1.625 behind, less than 1.657
    assert found.groups == [["a", "b", "c"]]


def test_groups_are_the_largest_sets_within_the_critical_difference():
    found = Ranking({"a": 1.0, "b": 1.5, "c": 2.4, "d": 4.0, "e": 4.5}, 10, 1.0)
    assert found.groups == [["a", "b"], ["b", "c"], ["d", "e"]]
    assert Ranking({"a": 1.0, "b": 2.0}, 10, 0.1).groups == [["a"], ["b"]]
