"""Any method of stage I goes through configuration, training, files and runs."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import shift_method
import twostep_rs as ts
from training_problem import CONFIG, Shift, clouds
from twostep_rs.cli import main
from twostep_rs.config import Config, MethodConfig, StageOneConfig
from twostep_rs.errors import ConfigError, FileFormatError, InputError
from twostep_rs.methods import registry
from twostep_rs.runs import RunDirectory, config_file
from twostep_rs.runs.evaluation_file import read_evaluation

TINY = [
    "simulation.parameters=20,150",
    "simulation.particles=200",
    "stage_2.steps=2",
    "stage_2.batch=50",
    "stage_2.width=8",
    "evaluation.parameters=20,200",
    "evaluation.particles=100",
]


@pytest.fixture(autouse=True)
def shift(monkeypatch):
    monkeypatch.setitem(registry.METHODS, "shift", shift_method.METHOD)


@pytest.mark.parametrize("name", registry.METHODS)
def test_a_method_has_a_dataclass_and_an_implementation(name):
    method = registry.get(name)
    assert issubclass(method.config, MethodConfig)
    assert callable(method.implementation.train)
    assert callable(method.implementation.build)
    assert Config().for_method(name).method == name


def test_names_are_known_without_torch():
    code = (
        "import sys; from twostep_rs.config import Config; "
        "Config(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_method_is_an_error():
    expected = r"method: expected one of meanflow.*got 'meanflw' \(did you mean meanflow\?\)"
    for make in (lambda: Config(method="meanflw"), lambda: Config().for_method("meanflw")):
        with pytest.raises(ConfigError, match=expected):
            make()


def test_a_method_with_the_configuration_of_another_is_an_error():
    with pytest.raises(ConfigError, match="stage_1: expected ShiftConfig of method 'shift', got"):
        Config(method="shift", stage_1=StageOneConfig())


def test_the_method_of_the_package_has_two_names():
    assert Config().for_method("two-step") == Config()


def test_another_method_keeps_network_and_budget():
    config = dataclasses.replace(
        CONFIG, stage_1=StageOneConfig(width=16, steps=77, times="uniform")
    )
    changed = config.for_method("shift")
    assert changed.stage_1 == shift_method.ShiftConfig(width=16, steps=77)
    assert changed.stages == 2
    assert changed.stage_2 == config.stage_2


def test_methods_of_many_evaluations_stand_alone(monkeypatch):
    many = dataclasses.replace(shift_method.METHOD, name="many", evaluations=100)
    monkeypatch.setitem(registry.METHODS, "many", many)
    assert Config().for_method("many").stages == 1
    assert Config().for_method("many").for_method("meanflow").stages == 2


def test_a_configuration_comes_back_from_its_file():
    config = CONFIG.for_method("shift")
    text = config_file.dumps(config)
    assert "factor = 1.0" in text
    assert "width of every hidden layer" in text  # inherited, and described all the same
    assert config_file.loads(text) == config
    assert config_file.differences(config, CONFIG) == ['method is "shift", not "meanflow"']


def test_the_command_line_changes_what_belongs_to_the_method():
    changed = config_file.override(Config(), ["method=shift", "stage_1.factor=2", "stages=1"])
    assert (changed.stage_1.factor, changed.stages) == (2.0, 1)
    with pytest.raises(ConfigError, match=r"stage_1\.times: expected a known key"):
        config_file.override(changed, ["stage_1.times=uniform"])
    with pytest.raises(ConfigError, match="stages: expected one of"):
        config_file.override(changed, ["stages=3"])


def test_a_model_of_any_method_comes_back_from_its_file(tmp_path):
    model = ts.fit(Shift(), parameters=(1.0, 2.0, 4.0), config=CONFIG.for_method("shift"))
    expected = Shift().simulate(3.0, n=9, seed=0).target
    np.testing.assert_allclose(model.stage_1.sample(3.0, n=9), expected, atol=1e-5)
    model.save(tmp_path)
    loaded = ts.load(tmp_path, system=Shift())
    assert loaded.config == model.config
    assert np.array_equal(loaded.sample(3.0, n=9), model.sample(3.0, n=9))


@pytest.mark.parametrize("method", ["meanflow", "shift"])
def test_a_model_without_stage_2_says_so(tmp_path, method):
    config = dataclasses.replace(CONFIG.for_method(method), stages=1)
    seen = []
    model = ts.fit(clouds(), config=config, progress=lambda *step: seen.append(step))
    assert model.corrector is None
    assert {steps for _, steps in seen} <= {config.stage_1.steps}
    model.save(tmp_path)
    loaded = ts.load(tmp_path)
    source = Shift().prior(9, 0)
    assert np.array_equal(loaded.transport(source, 2.0), model.stage_1.transport(source, 2.0))
    with pytest.raises(InputError, match="stage: expected 1 for a model without stage II, got 2"):
        loaded.transport(source, 2.0, stage=2)


def rewrite(path, change):
    with safe_open(path, framework="pt") as file:
        fields = json.loads(file.metadata()["twostep"])
    change(fields["config"])
    save_file(load_file(path), path, {"twostep": json.dumps(fields)})


def test_weights_from_before_there_were_methods_are_those_of_meanflow(tmp_path):
    model = ts.fit(clouds(), config=CONFIG)
    model.save(tmp_path)

    def forget(config):
        del config["method"], config["stages"]

    rewrite(tmp_path / "weights.safetensors", forget)
    source = Shift().prior(9, 0)
    assert np.array_equal(ts.load(tmp_path).transport(source, 2.0), model.transport(source, 2.0))


def test_weights_of_an_unknown_method_are_refused(tmp_path):
    ts.fit(clouds(), config=CONFIG).save(tmp_path)
    rewrite(tmp_path / "weights.safetensors", lambda config: config.update(method="later"))
    with pytest.raises(FileFormatError, match=r"config: .*method: expected one of .*got 'later'"):
        ts.load(tmp_path)


@pytest.mark.parametrize("stages", [1, 2])
def test_a_run_of_another_method(tmp_path, stages, capsys):
    out = tmp_path / "run"
    words = ["run", "ks3d-laminar", "--preset", "quick", "--method", "shift", "--out", str(out)]
    assert main([*words, "--stages", str(stages), "--set", *TINY]) == 0, capsys.readouterr().err
    rows, _ = read_evaluation(out / "evaluation.json")
    assert {(row.method, row.stage) for row in rows} == {
        ("shift", stage) for stage in range(1, stages + 1)
    }
    assert "Mean shift" in (out / "report.html").read_text()
    assert RunDirectory.open(out).config.method == "shift"
    assert (ts.load(out).corrector is None) == (stages == 1)
