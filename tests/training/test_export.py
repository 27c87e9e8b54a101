"""Exported maps say what the model says, for any number of particles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import twostep_rs as ts
from training_problem import Shift, with_stages
from twostep_rs.errors import InputError, RunDirectoryError

SOURCE = np.random.default_rng(0).normal(size=(1234, 2))


@pytest.fixture(scope="module")
def model():
    # A large step, so that both stages do something.
    config = with_stages(stage_2={"steps": 30, "learning_rate": 1e-2, "ema": 0.5})
    return ts.fit(Shift(), parameters=(1.0, 2.0, 4.0), config=config)


def arguments(parameter):
    return torch.from_numpy(SOURCE).float(), torch.full((len(SOURCE), 1), parameter)


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("parameter", [1.5, 6.0])
def test_an_exported_program_equals_the_model(model, tmp_path, stage, parameter):
    model.export(tmp_path / "map.pt2", stage=stage)
    program = torch.export.load(tmp_path / "map.pt2").module()
    found = program(*arguments(parameter)).detach().numpy()
    expected = model.transport(SOURCE, parameter, stage=stage)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    if stage == 2:
        first = model.transport(SOURCE, parameter, stage=1)
        assert np.abs(expected - first).max() > 1e-3


def test_an_exported_onnx_file_equals_the_model(model, tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    model.export(tmp_path / "map.onnx")
    session = runtime.InferenceSession(tmp_path / "map.onnx")
    names = [entry.name for entry in session.get_inputs()]
    feed = dict(zip(names, (a.numpy() for a in arguments(3.0)), strict=True))
    (found,) = session.run(None, feed)
    np.testing.assert_allclose(found, model.transport(SOURCE, 3.0), rtol=1e-5, atol=1e-5)


def test_other_kinds_and_places_are_refused(model, tmp_path):
    with pytest.raises(InputError, match=r"path: expected a name that ends in \.pt2 or \.onnx"):
        model.export(tmp_path / "map.bin")
    with pytest.raises(InputError, match="stage: expected 1 or 2, got 3"):
        model.export(tmp_path / "map.pt2", stage=3)
    with pytest.raises(RunDirectoryError, match="nowhere"):
        model.export(tmp_path / "nowhere" / "map.pt2")


def test_sampling_is_the_same_on_any_number_of_threads_and_kind(model):
    source = np.random.default_rng(1).normal(size=(20_000, 2))
    found = []
    for threads in (1, 2, 3):
        ts.set_num_threads(threads)
        found.append(model.transport(source, 2.0))
        ts.set_num_threads(None)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    tensor = model.transport(torch.from_numpy(source).float(), 2.0)
    assert tensor.dtype == torch.float32
    assert np.array_equal(tensor.double().numpy(), found[0])
