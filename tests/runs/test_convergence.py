"""Growth rates from cold and learned starts, and the run that holds them."""

from __future__ import annotations

import contextlib
import dataclasses
import sys

import pytest

import twostep_rs as ts
from twostep_rs.config import ConvergenceConfig, EvaluationConfig
from twostep_rs.errors import ConfigError, FileFormatError
from twostep_rs.experiments import kpp2d, kpp3d, ks3d_laminar
from twostep_rs.runs import (
    RunDirectory,
    convergence_file,
    evaluation,
    kpp_verdict,
    published,
    run,
)
from twostep_rs.runs.convergence import Convergence, Estimate, study
from twostep_rs.runs.convergence_file import read_begun, read_convergence, write_convergence
from twostep_rs.runs.evaluation_file import read_evaluation
from twostep_rs.runs.steps import floor_ahead
from twostep_rs.systems import KPP, KPPLaw, SettledKPP

SYSTEM = KPP(2, "cell2d", dt=2.0**-4, generations=4, prior="gaussian")
SMALL = ConvergenceConfig(parameters=(0.25,), particles=3_000, generations=8, seeds=4)


def from_the_law(kappa, n, seed):
    return KPPLaw(SYSTEM).simulate(kappa, n=n, seed=seed).target


def again_from(known, progress=None):
    starts = {"stage II": from_the_law}
    found = study(
        SYSTEM, starts, SMALL, training_parameters=(0.2, 0.4), progress=progress, known=known
    )
    return list(found)


@pytest.fixture(scope="module")
def results():
    return again_from(())


def result(start, arrival, error=0.1):
    estimate = Estimate(1, 1.0, 0.1, error, 0.01, 0.05)
    return Convergence(0.125, start, False, 1.1, 7.0, 4, (estimate,), arrival)


def test_without_a_flow_every_start_is_right_at_once():
    still = KPP(2, ("0", "0"), lam=1.5, r=0.5, dt=2.0**-3)
    (cold,) = study(still, {}, dataclasses.replace(SMALL, particles=10), training_parameters=())
    assert cold.reference == pytest.approx((0.25 * 1.5**2 + 0.5) / 1.5, abs=1e-12)
    assert cold.arrival == 1
    assert [e.generations for e in cold.estimates] == [1, 2, 4, 8]
    for estimate in cold.estimates:
        assert estimate.mean == pytest.approx(cold.reference, abs=1e-12)
        assert estimate.deviation == pytest.approx(0.0, abs=1e-12)
    assert not cold.training_range


def test_a_start_from_the_law_is_right_at_once(results):
    cold, warm = results
    assert (cold.start, warm.start) == ("cold", "stage II")
    assert cold.training_range
    # Of the scheme that was run, not of continuous time.
    scheme = SYSTEM.reference(0.25, dt=2.0**-4, modes=12).c()
    assert cold.reference == warm.reference == pytest.approx(scheme, abs=1e-8)
    assert abs(scheme - SYSTEM.reference(0.25).c()) > 1e-3
    assert warm.first.error < cold.first.error / 5.0
    assert abs(warm.first.bias) < 4.0 * warm.first.deviation / 2.0  # of four seeds
    assert cold.first.bias < -0.1


def test_the_number_of_threads_changes_nothing(results):
    ts.set_num_threads(1)
    try:
        again = again_from(())
    finally:
        ts.set_num_threads(None)
    assert again == results


def test_a_study_goes_on_from_what_is_there(results, monkeypatch):
    seen = []
    assert again_from(results[:1], progress=lambda *count: seen.append(count)) == results
    assert seen == [(5, 8), (6, 8), (7, 8), (8, 8)]
    monkeypatch.setattr(KPP, "run", None)  # nothing is left to run
    assert again_from(results) == results


def test_the_file_is_read_back_and_checked(results, tmp_path):
    path = tmp_path / "convergence.json"
    write_convergence(path, results)
    assert read_convergence(path) == results
    write_convergence(path, results, "this study")
    assert read_begun(path, "this study") == results
    assert read_begun(path, "another") == read_begun(tmp_path / "nothing", "this study") == []
    whole = path.read_text()
    for damaged, message in (
        (whole[:-40], "expected JSON"),
        (whole.replace('"bias"', '"biass"', 1), "bias: expected"),
        (whole.replace('"seeds": 4', '"seeds": "4"', 1), "seeds: expected int"),
    ):
        path.write_text(damaged)
        with pytest.raises(FileFormatError, match=message):
            read_convergence(path)


def test_the_table_says_whether_a_start_pays():
    lines = convergence_file.cells(
        [
            result("cold", 16),
            result("stage I", 32, error=0.05),
            result("stage II", 1, error=0.02),
            result("law", 16),
        ]
    )
    assert [line[-1] for line in lines] == ["", "no", "yes", "equal"]
    assert [line[5] for line in lines] == ["", "2.0", "5.0", "1.0"]
    assert lines[0][0] == "3.00 *"
    never = convergence_file.cells([result("cold", None), result("stage I", None)])
    assert [line[-2:] for line in never] == [["over 1", ""], ["over 1", "no"]]
    assert "4 seeds" in convergence_file.text([result("cold", 16)])


def test_the_plateau_of_the_published_figure(monkeypatch):
    monkeypatch.setattr(kpp_verdict, "FLOWS", ("cell2d",))
    found = kpp_verdict.candidates([2.0**-4.5, 2.0**-2])
    assert [c.normalisation for c in found if c.fits] == ["printed"]
    assert found[0].kappa == 2.0**-4.5
    assert "printed, kappa = 2^-4.5: c = 0.784" in kpp_verdict.verdict([2.0**-4.5])
    assert "fits no flow" in kpp_verdict.verdict([2.0**-2])


def tiny(out, **changes):
    config = kpp2d.EXPERIMENT.config("quick")
    config = dataclasses.replace(
        config,
        simulation=dataclasses.replace(
            config.simulation, parameters=(0.125, 0.25), particles=300
        ),
        stage_1=dataclasses.replace(config.stage_1, steps=30, batch=64, width=16, depth=2),
        stage_2=dataclasses.replace(config.stage_2, steps=20, batch=100, width=16, depth=2),
        evaluation=EvaluationConfig(
            parameters=(0.25, 0.1), particles=300, references=2, floor_pairs=2, bins=24,
            metrics=("histogram", "masses"),
        ),
        convergence=dataclasses.replace(SMALL, parameters=(0.25,), particles=200, seeds=2),
    )  # fmt: skip
    experiment = dataclasses.replace(
        kpp2d.EXPERIMENT,
        system=lambda _: SYSTEM,
        references=lambda _: KPPLaw(SYSTEM),
        particles=lambda _: SettledKPP(SYSTEM),
    )
    return run(experiment, dataclasses.replace(config, **changes), out)


def test_a_whole_run(tmp_path):
    directory = tiny(tmp_path / "run")
    assert isinstance(directory, RunDirectory)
    for name in ("w2", "losses", "figure-10", "figure-11", "figure-12"):
        assert (directory.figures / f"{name}.png").stat().st_size > 5_000
    page = directory.report.read_text()
    for words in ("Growth rates from cold and learned starts", "to exact masses", "plateau"):
        assert words in page
    starts = [found.start for found in read_convergence(directory.convergence)]
    assert starts == ["cold", "stage I", "stage II"]
    rows, _ = read_evaluation(directory.evaluation)
    particles = [row for row in rows if row.method == "particles"]
    assert {row.stage for row in particles} == {0}
    assert {(row.parameter, row.metric) for row in particles} == {
        (kappa, metric) for kappa in (0.25, 0.1) for metric in ("histogram", "masses")
    }
    assert set(published.of_experiment("kpp2d")) == {"figure-10", "figure-11", "figure-12"}
    assert set(published.of_experiment("kpp3d")) == {"figure-13", "figure-14", "figure-15"}


@contextlib.contextmanager
def called_here(work, *arguments):
    yield work(*arguments)


def test_references_of_a_floor_ahead_are_those_of_the_evaluation(tmp_path, monkeypatch):
    config = kpp2d.EXPERIMENT.config("full")
    few = dataclasses.replace(
        config.evaluation, parameters=(0.25,), particles=60, floor_pairs=2, bins=4
    )
    run = RunDirectory.create(tmp_path, dataclasses.replace(config, evaluation=few))
    seen = []
    monkeypatch.setattr(
        evaluation,
        "measure_floor",
        lambda system, config, particles, **_: seen.append((system, config, particles)),
    )
    # In this process, where what is patched is seen.
    monkeypatch.setattr(sys.modules[floor_ahead.__module__], "aside", called_here)
    with floor_ahead(run, kpp2d.EXPERIMENT):
        pass
    system = kpp2d.EXPERIMENT.system("resolved")
    assert seen == [(KPPLaw(system), few, SettledKPP(system))]


def test_what_has_no_growth_rate_is_refused(tmp_path):
    config = ks3d_laminar.config("quick")
    run(ks3d_laminar.EXPERIMENT, config, tmp_path, only=("converge",))  # has nothing to do
    with pytest.raises(ConfigError, match=r"convergence\.parameters: expected none"):
        run(
            ks3d_laminar.EXPERIMENT,
            dataclasses.replace(config, convergence=SMALL),
            tmp_path / "other",
            only=("converge",),
        )


@pytest.mark.parametrize(
    ("preset", "integrator", "steps"),
    [("quick", "heun", 32), ("full", "heun", 32), ("paper", "euler", 256)],
)
def test_only_the_printed_method_takes_the_printed_steps(preset, integrator, steps):
    for experiment in (kpp2d.EXPERIMENT, kpp3d.EXPERIMENT):
        system = experiment.system(experiment.config(preset).simulation.physics)
        assert (system.integrator, system.dt) == (integrator, 1 / steps)


def test_other_physics_are_refused():
    with pytest.raises(ConfigError, match=r"physics: expected one of .* for kpp2d, got 'aggreg"):
        kpp2d.EXPERIMENT.system("aggregating")
