"""Maps in several jumps at a tiny size: one training, each number with a stage II of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from reproduce_jobs import TINY, do
from twostep_rs.reproduce import Request, Store, costs, entries, registry
from twostep_rs.reproduce.competition import scores
from twostep_rs.reproduce.method_tables import Line
from twostep_rs.reproduce.scores import Score
from twostep_rs.reproduce.targets import jumps as target
from twostep_rs.runs import RunDirectory
from twostep_rs.runs.files import read_json

WILD = entries.Entry("esd", "Wild", "esd", {"learning_rate": 1e30, "clip": 1e30})
(LSD,) = (entry for entry in target.MAPS if entry.name == "lsd")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target, "MAPS", (LSD, WILD))
        patch.setattr(target, "competing", lambda among, preset: list(among))
        patch.setattr(costs, "_PARTICLES", 100)
        store = Store(tmp_path_factory.mktemp("store"))
        request = Request("quick", (0,), overrides=TINY)
        yield store, request, do(registry.get("jumps-laminar"), request, store)


def test_each_number_of_jumps_stands_alone_and_refined(done):
    _, _, summary = done
    table, _ = summary.tables
    lsd = "Lagrangian self-distillation"
    assert [line[:2] for line in table.lines[1:7]] == [
        [f"{lsd}, 1 jump", "1"],
        [f"{lsd}, 1 jump + DP", "2"],
        [f"{lsd}, 2 jumps", "2"],
        [f"{lsd}, 2 jumps + DP", "3"],
        [f"{lsd}, 4 jumps", "4"],
        [f"{lsd}, 4 jumps + DP", "5"],
    ]
    assert len({tuple(line[2:]) for line in table.lines[1:7]}) == 6
    assert set(summary.figures) == {"jumps"}
    assert [claim.reason.split(";")[0].split(", ")[0] for claim in summary.claims] == [
        "below at " + claim.reason.split()[2] + " of " + str(of)
        for claim, of in zip(summary.claims, (4, 2), strict=True)
    ]


def test_the_counted_evaluations_are_those_of_the_table(done):
    store, request, _ = done
    (problem, *_) = target.SYSTEMS
    for jumps, run in target.runs(problem, request, 0, LSD).items():
        assert store.document(scores(run))["sampling"]["evaluations"] == jumps + 1


def test_one_training_serves_all_and_stage_2_is_trained_for_each(done):
    store, request, _ = done
    (problem, *_) = target.SYSTEMS
    directories = [store.path(run) for run in target.runs(problem, request, 0, LSD).values()]
    for name, different in (("checkpoints/stage_1.pt", 1), ("weights.safetensors", 3)):
        assert len({(path / name).read_bytes() for path in directories}) == different
    found = [RunDirectory.open(path).config.evaluations for path in directories]
    assert found == [None, 2, 4]


def test_what_would_take_over_a_lost_training_is_lost_too(done):
    store, request, summary = done
    (problem, *_) = target.SYSTEMS
    for run in target.runs(problem, request, 0, WILD).values():
        lost = read_json(store.path(run) / "diverged.json")
        assert lost["stage"] == 1
        assert "loss: expected a number below" in lost["reason"]
    labels = [line[0] for line in summary.tables[0].lines]
    assert "Wild, 4 jumps + DP (diverged)" in labels


def score(value):
    scores = {160.0: Score(value, 1e-3, 0.005, 1e-4, False)}
    return Line("A", 1, scores, [scores])


@pytest.mark.parametrize(
    ("one", "other", "verdict", "reason"),
    [
        (0.010, 0.019, "reproduced", "below at 1 of 1, above at 0"),
        (0.010, 0.011, "reproduced", "below at 0 of 1, above at 0"),
        (
            0.019,
            0.010,
            "not reproduced",
            "below at 0 of 1, above at 1; A at 160 (3.80 against 2.00)",
        ),
    ],
)
def test_a_claim_counts_what_lies_beyond_the_errors(one, other, verdict, reason):
    claim = target._nowhere_above("said", [(score(one), score(other))])
    assert (claim.verdict, claim.reason) == (verdict, reason)


def test_the_list_of_targets_is_read_without_heavy_packages():
    code = "import sys; from twostep_rs.reproduce import registry; registry.targets();"
    code += "print({'torch', 'matplotlib'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert printed.stdout == "set()\n", printed.stderr
