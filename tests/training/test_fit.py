from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import twostep_rs as ts
from training_problem import CONFIG, Shift, clouds, unpaired, with_stages
from twostep_rs.errors import (
    DtypeError,
    FileFormatError,
    InputError,
    RunDirectoryError,
    ShapeError,
)
from twostep_rs.systems import Cloud


@pytest.fixture(scope="module")
def model():
    return ts.fit(Shift(), parameters=(1.0, 2.0, 4.0), config=CONFIG)


@pytest.fixture
def saved(model, tmp_path):
    model.save(tmp_path / "model")
    return tmp_path / "model" / "weights.safetensors"


def test_samples_are_fixed_by_the_seed(model):
    one, same, other = (model.sample(2.0, n=50, seed=seed) for seed in (0, 0, 1))
    assert one.shape == (50, 2)
    assert one.dtype == np.float64
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_both_stages_can_be_had(model):
    first = model.stage_1.sample(2.0, n=50, seed=0)
    assert np.array_equal(first, model.transport(Shift().prior(50, 0), 2.0, stage=1))
    assert not np.array_equal(first, model.sample(2.0, n=50, seed=0))
    assert not np.array_equal(first, model.stage_1.sample(2.0, n=50, seed=0, evaluations=2))


def test_rows_do_not_depend_on_how_many_there_are(model):
    source = Shift().prior(40_000, 3)
    whole = model.transport(source, 2.0)
    np.testing.assert_allclose(whole[-100:], model.transport(source[-100:], 2.0), atol=1e-6)


def test_tensors_come_back_as_they_came(model):
    source = torch.randn(5, 2)
    assert model.transport(source, 2.0).dtype == torch.float32
    assert model.sample(2.0, source=source.double()).dtype == torch.float64


def test_a_saved_model_gives_the_same_samples(model, saved):
    loaded = ts.load(saved.parent, system=Shift())
    assert loaded.config == model.config
    assert np.array_equal(loaded.sample(3.0, n=20, seed=1), model.sample(3.0, n=20, seed=1))
    with pytest.raises(InputError, match="source: expected source particles"):
        ts.load(saved).sample(3.0)


def test_a_built_in_system_is_restored_with_its_constants(tmp_path):
    ks = ts.systems.KellerSegel(dim=4, physics="aggregating", mu=0.02)
    fitted = ts.fit(ks, parameters=(10.0, 20.0), config=CONFIG)
    fitted.save(tmp_path)
    loaded = ts.load(tmp_path)
    assert loaded.system == ks
    assert np.array_equal(loaded.sample(15.0, n=9), fitted.sample(15.0, n=9))


def test_the_same_model_gives_the_same_file(model, tmp_path):
    files = []
    for name in ("one", "two"):
        model.save(tmp_path / name)
        files.append((tmp_path / name / "weights.safetensors").read_bytes())
    assert files[0] == files[1]


def test_clouds_serve_as_a_system():
    config = with_stages(stage_1={"coupling": "exact"})
    fitted = ts.fit(unpaired(clouds()), config=config)
    assert fitted.config.simulation.parameters == (1.0, 2.0, 4.0)
    assert fitted.sample(2.0, source=Shift().prior(7, 0)).shape == (7, 2)


def test_progress_runs_over_both_stages():
    seen = []
    ts.fit(clouds(), config=CONFIG, progress=lambda *step: seen.append(step))
    assert seen == [(step, 42) for step in range(1, 43)]


def test_progress_counts_the_steps_of_all_phases():
    seen = []
    config = CONFIG.for_method("lmd")
    ts.fit(clouds(), config=config, progress=lambda *step: seen.append(step))
    steps = 2 * config.stage_1.steps + config.stage_2.steps
    assert seen == [(step, steps) for step in range(1, steps + 1)]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "expected weights, found no such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:-10]), "truncated or foreign"),
        (lambda path: path.write_text("not weights"), "truncated or foreign"),
        (lambda path: save_file({"a": torch.zeros(1)}, path), "format: expected 'twostep weights"),
    ],
)
def test_broken_weights_are_refused(saved, damage, message):
    damage(saved)
    with pytest.raises(FileFormatError, match=message):
        ts.load(saved)


def rewrite(path, tensors=None, **changes):
    with safe_open(path, framework="pt") as file:
        fields = json.loads(file.metadata()["twostep"])
    content = load_file(path)
    metadata = {"twostep": json.dumps({**fields, **changes})}
    save_file({**content, **(tensors or {})}, path, metadata)


def test_weights_of_another_shape_or_nan_are_refused(saved):
    name = "stage_1.hidden.0.bias"
    rewrite(saved, {name: torch.zeros(3)})
    with pytest.raises(FileFormatError, match=rf"{name}: expected torch.float32 \(16,\)"):
        ts.load(saved)
    rewrite(saved, {name: torch.full((16,), torch.nan)})
    with pytest.raises(FileFormatError, match=rf"{name}: expected finite values"):
        ts.load(saved)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "other"),
        ("scaling", {"location": [0.0]}),
        ("config", None),
        ("config", {"stage_1": {"no_such_key": 1}}),
        ("system", {"name": "Ising"}),
    ],
)
def test_metadata_that_does_not_fit_is_refused(saved, field, value):
    rewrite(saved, **{field: value})
    with pytest.raises(FileFormatError, match=f"{field}: expected"):
        ts.load(saved)


def test_a_place_that_cannot_be_written_is_an_error(model, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        model.save(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros((3, 3)), 2.0), ShapeError, r"source: expected shape \(n, 2\)"),
        ((np.zeros(3), 2.0), ShapeError, "source"),
        ((np.zeros((0, 2)), 2.0), ShapeError, "source"),
        ((np.full((3, 2), np.nan), 2.0), InputError, "source: expected finite"),
        ((np.zeros((3, 2)), -1.0), InputError, "parameter: expected a positive number"),
        ((np.zeros((3, 2)), np.inf), InputError, "parameter: expected a finite number"),
        ((np.zeros((3, 2)), "two"), DtypeError, "parameter: expected a real number"),
    ],
)
def test_bad_input_of_transport(model, arguments, error, message):
    with pytest.raises(error, match=message):
        model.transport(*arguments)


@pytest.mark.parametrize("n", [0, -1])
def test_bad_number_of_samples(model, n):
    with pytest.raises(InputError, match="n: expected at least 1"):
        model.sample(2.0, n=n)


def test_bad_systems():
    with pytest.raises(DtypeError, match="system: expected an object with dim"):
        ts.fit(42, parameters=(1.0,), config=CONFIG)
    with pytest.raises(InputError, match="parameters: expected at least one"):
        ts.fit(Shift(), config=CONFIG)
    with pytest.raises(InputError, match="parameters: expected none beside clouds"):
        ts.fit(clouds(), parameters=(1.0,), config=CONFIG)
    with pytest.raises(InputError, match="clouds: expected at least one"):
        ts.fit({}, config=CONFIG)
    with pytest.raises(ShapeError, match=r"clouds\[3\]\.source: expected \(200, 2\)"):
        ts.fit({**clouds(), 3.0: Cloud(np.zeros((5, 2)), np.zeros((5, 2)), True)}, config=CONFIG)
    with pytest.raises(InputError, match=r"clouds\[3\]: expected paired=True"):
        ts.fit({**clouds(), 3.0: unpaired(clouds())[1.0]}, config=CONFIG)


def test_a_batch_that_clouds_cannot_fill_is_refused_before_they_are_simulated():
    class Never(Shift):
        def simulate(self, parameter, /, n, seed, source=None):
            raise AssertionError("simulated")

    with pytest.raises(InputError, match=r"stage_2\.batch: expected at most half of the 200"):
        ts.fit(Never(), parameters=(1.0, 2.0), config=with_stages(stage_2={"batch": 101}))
    with pytest.raises(InputError, match=r"stage_2\.batch: expected at most half of the 200"):
        ts.fit(clouds(), config=with_stages(stage_2={"batch": 101}, stage_1={"steps": 10**9}))


def test_the_threads_of_the_configuration_reach_the_simulator():
    seen = []

    class Asking(Shift):
        def simulate(self, parameter, /, n, seed, source=None):
            seen.append(ts.get_num_threads())
            return super().simulate(parameter, n, seed, source)

    before = ts.get_num_threads()
    ts.fit(Asking(), parameters=(1.0, 2.0), config=with_stages(threads=3))
    assert seen == [3, 3]
    assert ts.get_num_threads() == before
