"""All methods on one system at a tiny size: what they share, what was searched, who is ahead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from reproduce_jobs import TINY, do
from twostep_rs import experiments
from twostep_rs.errors import DivergenceError
from twostep_rs.methods import registry as methods
from twostep_rs.reproduce import (
    Place,
    Request,
    Store,
    competition,
    costs,
    entries,
    method_tables,
    problems,
    registry,
    yardsticks,
)
from twostep_rs.reproduce import search as searching
from twostep_rs.reproduce.scores import Score, curve
from twostep_rs.reproduce.targets import methods as target
from twostep_rs.reproduce.targets import search as search_target
from twostep_rs.runs import RunDirectory, config_file
from twostep_rs.runs.evaluation import Row
from twostep_rs.runs.progress import Silent

SOME = tuple(e for e in entries.SEARCHED if e.name in ("meanflow", "sf2m", "deep-particle"))
WILD = entries.Entry("lsd", "Wild", "lsd", {"learning_rate": 1e30, "clip": 1e30})
NAME = "ks3d-laminar"


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The store of both targets, and the request."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (target, search_target):
            patch.setattr(module, "SEARCHED", (*SOME, WILD))
        patch.setattr(costs, "_PARTICLES", 100)
        store = Store(tmp_path_factory.mktemp("store"))
        request = Request("quick", (0, 1), overrides=TINY)
        summaries = [
            do(registry.get(name), request, store) for name in ("methods-laminar", "search")
        ]
        yield store, request, *summaries


def test_every_method_stands_in_the_table_alone_and_refined(done):
    _, _, summary, _ = done
    scores, ranks, costs = summary.tables
    assert scores.heading == ("method", "evaluations", "20", "160 *")
    assert [line[:2] for line in scores.lines] == [
        ["sampling floor itself", ""],
        ["Two-step, options as they are", "2"],
        ["MeanFlow", "1"],
        ["MeanFlow + DP", "2"],
        ["Deep Particle alone", "1"],
        ["SF2M, 100 steps", "100"],
        ["Wild (diverged)", "1"],
        ["Wild + DP (diverged)", "2"],
        ["nearest cloud", "0"],
        ["interpolated clouds", "0"],
        ["entropic map", "0"],
    ]
    assert {line[0] for line in ranks.lines} == {
        line[0].removesuffix(" (diverged)") for line in scores.lines[1:8] if line[1] != "100"
    }
    assert "Over 2 comparisons" in ranks.note
    assert len(costs.lines) == 5
    assert len(summary.claims) == 2


def test_a_method_that_diverges_says_so_and_costs_no_other_its_place(done):
    store, request, summary, searched = done
    scores, ranks, costs = summary.tables
    assert scores.lines[6][2:] == ["diverged", "diverged"]
    assert sorted(line[:2] for line in ranks.lines[-2:]) == [
        ["Wild", "5.50"],
        ["Wild + DP", "5.50"],
    ]
    assert costs.lines[-1][:2] == ["Wild + DP", "diverged"]
    compared = summary.numbers["comparisons"]["scores"]
    assert compared["lsd"] == compared["lsd + DP"] == [None, None]
    assert "sf2m" not in compared
    assert all("Wild" not in claim.reason for claim in summary.claims)
    (table,) = (table for table in searched.tables if table.title == "Wild")
    assert [line[1:] for line in table.lines] == [["diverged", "yes"], *[["diverged", ""]] * 2]
    run = target._run(problems.PROBLEMS[0], request, 0, WILD)
    found = store.document(competition.scores(run))["diverged"]
    assert found["stage"] == 1
    assert found["reason"].startswith("loss: expected a number below")
    with pytest.raises(DivergenceError, match=r"loss: expected a number below .*, got nan"):
        replace(run, may_diverge=False).run(Place(store.path(run), store, Silent()))


def test_our_own_method_cannot_win_where_it_diverges():
    ours = method_tables.Line("Ours", 2, {}, [{}, {}])
    for claim in (
        method_tables.lowest("laminar", ours, {"two-step": ours}),
        method_tables.untrained_claim("laminar", ours, {}),
    ):
        assert (claim.verdict, claim.reason) == (
            "not reproduced",
            "2 of 2 trainings of it diverged",
        )


@pytest.mark.parametrize(
    ("rows", "said"),
    [([(1,), (1,)], ""), ([(), (1,)], " (1 of 2 seeds diverged)"), ([(), ()], " (diverged)")],
)
def test_a_title_says_how_many_seeds_have_diverged(rows, said):
    assert competition.lost(rows) == said


def test_runs_of_a_seed_share_clouds_and_references_and_seeds_share_neither(done):
    store, request, summary, _ = done
    runs = [target._runs_of_seed(problems.PROBLEMS[0], request, seed) for seed in (0, 1)]
    clouds = [
        [(store.path(run) / "clouds" / "60.0.npz").read_bytes() for run in of_seed]
        for of_seed in runs
    ]
    assert [len(set(of_seed)) for of_seed in clouds] == [1, 1]
    assert clouds[0][0] != clouds[1][0]
    parts = [
        yardsticks.read(
            [store.path(job) for job in yardsticks.yardsticks(of_seed[0].config)],
            of_seed[0].config,
            yardsticks.group(seed),
        )
        for seed, of_seed in enumerate(runs)
    ]
    assert parts[0].floors == parts[1].floors
    every = np.stack([cloud for part in parts for clouds in part.references for cloud in clouds])
    assert every.shape == (8, 100, 3)
    assert len(np.unique(every[:, 0], axis=0)) == 8
    floors = {row["floor"] for rows in summary.numbers["scores"].values() for row in rows[:1]}
    assert len(floors) == 1


def test_a_floor_that_seeds_share_counts_once():
    row = Row("m", 1, 20.0, True, 0, "exact", None, 1.0, 0.1, 0.5, 0.02, 100)
    other = replace(row, w2_squared=2.0, seed=1)
    (shared,) = curve([[row], [other]], competition_kind(), 1).values()
    assert (shared.floor, shared.floor_error) == (0.5, 0.02)
    own = replace(other, floor=0.7)
    (separate,) = curve([[row], [own]], competition_kind(), 1).values()
    assert separate.floor == pytest.approx(0.6)
    assert separate.floor_error == pytest.approx(0.1)


def competition_kind():
    from twostep_rs.runs.table import Kind

    return Kind("exact", None)


def test_searches_are_of_one_size_and_see_no_parameter_of_the_table(done):
    _, request, _, summary = done
    test = set(experiments.get(NAME).config("full").evaluation.parameters)
    for entry in SOME:
        found = summary.numbers[entry.name]
        assert len(found["trials"]) == searching.TRIALS["quick"]
        assert found["trials"][0]["options"] == []
        best = min(found["trials"], key=lambda trial: trial["ratio"])
        assert found["options"] == best["options"]
        for run in searching.trial_runs(entry, NAME, request):
            kept = set(run.config.evaluation.parameters)
            assert kept == {30.0, 150.0}
            assert not kept & (test | set(run.config.simulation.parameters))
            assert run.config.seed not in request.seeds


def test_a_run_takes_the_options_that_were_found(done):
    store, request, *_ = done
    (entry,) = (e for e in SOME if e.name == "sf2m")
    run = target._run(problems.PROBLEMS[0], request, 0, entry)
    options = store.document(run.options_of)["options"]
    trained = RunDirectory.open(store.path(run)).config
    assert trained == config_file.override(run.config, options)
    assert run.description()["options_of"] == run.options_of.name


@pytest.mark.parametrize("preset", ["quick", "full"])
def test_every_trial_of_every_method_can_be_trained(preset):
    """All grids name options that there are, and values that are allowed together."""
    assert {entry.method for entry in entries.SEARCHED} == set(methods.METHODS)
    for entry in entries.SEARCHED:
        config = competition.competitor(entry, NAME, Request(preset), 0).config
        trials = searching.trial_options(entry, config, 9)
        assert len({tuple(trial) for trial in trials}) == 9
        for changes in trials:
            config_file.override(config, changes)


def line(value, evaluations=1, title=""):
    scores = {160.0: Score(value, 1e-3, 0.005, 1e-4, False)}
    return method_tables.Line(title, evaluations, scores, [scores])


@pytest.mark.parametrize(
    ("rival", "evaluations", "verdict"),
    [
        (0.019, 1, "reproduced"),
        (0.010, 1, "not reproduced"),
        (0.010, 100, "reproduced"),
    ],
)
def test_the_verdict_is_on_methods_of_few_evaluations_beyond_errors(rival, evaluations, verdict):
    found = {"two-step": line(0.02, 2), "rival": line(rival, evaluations, "Rival")}
    claim = method_tables.lowest("laminar", found["two-step"], found)
    assert claim.verdict == verdict
    assert ("Rival at 160 (2.00 against 4.00)" in claim.reason) == (verdict == "not reproduced")


def test_clouds_of_another_seed_are_refused(done, tmp_path):
    from twostep_rs.errors import RunDirectoryError
    from twostep_rs.runs import run as do_run

    store, request, *_ = done
    clouds = competition.clouds_run(NAME, request, 0)
    other = replace(clouds.config, seed=7)
    with pytest.raises(RunDirectoryError, match="seed: expected 7"):
        do_run(experiments.get(NAME), other, tmp_path / "run", clouds_of=store.path(clouds))
    empty = do_run(experiments.get(NAME), clouds.config, tmp_path / "empty", only=())
    with pytest.raises(RunDirectoryError, match="expected a run with clouds, got none"):
        do_run(experiments.get(NAME), clouds.config, tmp_path / "run2", clouds_of=empty.path)


@pytest.mark.parametrize(
    ("name", "preset", "measured"),
    [
        ("kolmogorov", "full", (20.0, 50.0, 70.0, 100.0, 110.0, 120.0)),
        ("4d", "full", (20.0, 80.0, 140.0, 160.0, 180.0, 200.0)),
        ("aggregating", "quick", (20.0, 100.0, 140.0, 200.0)),
        ("laminar", "full", tuple(20.0 * k for k in range(1, 11))),
    ],
)
def test_where_references_are_costly_all_are_measured_at_the_same_half_of_the_parameters(
    name, preset, measured
):
    (problem,) = (problem for problem in problems.PROBLEMS if problem.name == name)
    request = Request(preset)
    runs = [
        *target._runs_of_seed(problem, request, 0),
        problems.problem_clouds(problem, request, 0),
    ]
    assert {run.config.evaluation.parameters for run in runs} == {measured}
    assert {run.clouds_of for run in runs[:-1]} == {runs[-1]}
    (jobs,) = {tuple(job.name for job in competition.scores(run).needs[1:]) for run in runs}
    assert len(jobs) == len(measured)
