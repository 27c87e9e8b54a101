"""Every method of flow maps through whole runs of every system, and jumps chosen later."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import twostep_rs as ts
from twostep_rs import experiments
from twostep_rs.cli import main
from twostep_rs.errors import ConfigError
from twostep_rs.runs import config_file, pipeline
from twostep_rs.runs.evaluation_file import read_evaluation

NAMES = ("lmd", "eulerian", "fmm", "pfmm", "lsd", "psd", "esd")
SYSTEMS = {
    "ks3d-laminar": "20,150",
    "ks4d-laminar": "20,150",
    "kpp2d": "0.25,0.125",
    "checkerboard": "1",
}
TINY = (
    "simulation.particles=120",
    "stage_1.steps=4",
    "stage_1.batch=32",
    "stage_1.width=8",
    "stage_1.depth=2",
    "stage_2.steps=2",
    "stage_2.batch=40",
    "stage_2.width=8",
    "stage_2.depth=2",
    "evaluation.particles=120",
    "evaluation.references=2",
    "evaluation.floor_pairs=2",
    "evaluation.metrics=exact",
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def config(system, name, *more):
    """The quick preset, cut short."""
    preset = experiments.get(system).config("quick").for_method(name)
    parameters = SYSTEMS[system]
    words = (f"simulation.parameters={parameters}", f"evaluation.parameters={parameters}")
    preset = dataclasses.replace(
        preset, convergence=dataclasses.replace(preset.convergence, parameters=())
    )
    return config_file.override(preset, (*TINY, *words, *more))


def run(system, name, out, *more, of=None):
    steps = ("simulate", "stage_1", "stage_2", "evaluate")
    chosen = config(system, name, *more)
    pipeline.run(experiments.get(system), chosen, out, only=steps, stage_1_of=of)
    return read_evaluation(out / "evaluation.json")[0], ts.load(out)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_method_runs_on_a_system(runs, system, name):
    rows, model = run(system, name, runs / f"{system}-{name}")
    assert {row.stage for row in rows if row.method == name} == {1, 2}
    assert all(np.isfinite(row.w2_squared) and row.w2_squared > 0.0 for row in rows)
    period = experiments.get(system).system("paper").domain.period
    for jumps in (1, 2, 4):
        found = model.stage_1.sample(0.2, n=50, evaluations=jumps)
        assert np.isfinite(found).all()
        if period is not None:
            assert (found >= 0.0).all()
            assert (found < np.array(period)).all()


@pytest.mark.parametrize("system", ["ks3d-laminar", "kpp2d"])
def test_jumps_are_chosen_after_training(runs, system):
    donor = runs / f"{system}-lsd"
    one, trained = run(system, "lsd", donor)
    found = {}
    for jumps in (2, 4):
        out = runs / f"{system}-lsd-{jumps}"
        rows, model = run(system, "lsd", out, f"evaluations={jumps}", of=donor)
        assert model.generator.evaluations == jumps
        source = model.system.prior(40, 3)
        expected = trained.stage_1.transport(source, 0.2, evaluations=jumps)
        assert np.array_equal(model.stage_1.transport(source, 0.2), expected)
        found[jumps] = rows
    by_stage = [
        {row.stage: row.w2_squared for row in rows if row.method == "lsd"}
        for rows in (one, *found.values())
    ]
    for stage in (1, 2):
        assert len({distances[stage] for distances in by_stage}) == 3


def test_less_than_one_evaluation_is_refused():
    with pytest.raises(ConfigError, match="evaluations: expected at least 1, got 0"):
        config("ks3d-laminar", "lsd", "evaluations=0")


@pytest.mark.parametrize("name", ["lmd", "two-step"])
def test_the_checkerboard_runs_by_its_command(tmp_path, capsys, name):
    out = str(tmp_path / "run")
    words = ["run", "checkerboard", "--method", name, "--preset", "quick", "--out", out]
    assert main([*words, "--set", *TINY]) == 0
    rows = read_evaluation(tmp_path / "run" / "evaluation.json")[0]
    assert {(row.method, row.stage) for row in rows} == {(name, 1), (name, 2)}
    assert "report:" in capsys.readouterr().out
