"""The engine: the same step eager, compiled, recorded, on any number of threads."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from training_problem import STAGE_1, STAGE_2, clouds
from twostep_rs.losses.meanflow import MeanFlowBatch, meanflow_loss
from twostep_rs.methods import meanflow
from twostep_rs.models.features import Scaling
from twostep_rs.models.meanflow import AverageVelocity
from twostep_rs.training import engine, stage_2
from twostep_rs.training.capture import Replayed
from twostep_rs.training.data import TrainingData

DATA = TrainingData.from_clouds(clouds())
# Several shards, of unequal sizes.
WIDE_1 = replace(STAGE_1, batch=2500, steps=8)
WIDE_2 = replace(STAGE_2, batch=100, steps=8)
SCALING = Scaling((0.0, 0.0), (1.0, 1.0), (1.0, 4.0))

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(engine, "_ROWS", 70)


def weights(net):
    return torch.cat([tensor.flatten().cpu() for tensor in net.state_dict().values()])


def batch(n=40, equal=15):
    torch.manual_seed(3)
    source, target = torch.randn(2, n, 2).double()
    t = torch.rand(n, 1).double()
    h = t * torch.rand(n, 1).double()
    h[:equal] = 0.0
    parameter = 1.0 + 3.0 * torch.rand(n, 1).double()
    return MeanFlowBatch(source, target, parameter, parameter.flip(0), t, h, equal)


def network():
    torch.manual_seed(0)
    return AverageVelocity(SCALING, width=12, depth=3, head="affine").double()


def loss(net, rows):
    return meanflow_loss(net, rows, method="imf", weighting_power=0.0, weighting_offset=0.01)


def aim_by_differences(net, rows, step=1e-5):
    """What u is regressed on, with its derivative from central differences."""
    z = (1 - rows.t) * rows.target + rows.t * rows.source
    v = rows.source - rows.target
    condition = rows.parameter, rows.seen
    with torch.no_grad():
        w = net(z, rows.t, 0 * rows.h, *condition)
        ends = [net(z + s * w, rows.t + s, rows.h + s, *condition) for s in (step, -step)]
        return z, v - rows.h * (ends[0] - ends[1]) / (2 * step)


@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_loss_and_gradient_equal_central_differences_in_float64(compiled):
    net, rows = network(), batch()
    objective = engine.Objective(net, loss)
    call = torch.compile(objective, dynamic=False) if compiled else objective
    found = call(rows)["loss"]
    gradient = torch.autograd.grad(found, list(net.parameters()))

    z, aim = aim_by_differences(net, rows)

    def value():
        with torch.no_grad():
            u = net(z, rows.t, rows.h, rows.parameter, rows.seen)
            return (u - aim).square().sum(1).mean()

    assert found.item() == pytest.approx(value().item(), rel=1e-8)
    step = 1e-6
    for parameter, slope in zip(net.parameters(), gradient, strict=True):
        along = torch.randn_like(parameter)
        with torch.no_grad():
            parameter += step * along
            high = value()
            parameter -= 2 * step * along
            low = value()
            parameter += step * along
        expected = (high - low) / (2 * step)
        torch.testing.assert_close((slope * along).sum(), expected, rtol=1e-5, atol=1e-7)


def test_shards_have_the_loss_and_gradient_of_the_whole():
    net, rows = network(), batch()
    whole = loss(net, rows).loss
    parts = [rows.rows(slice(k, None, 3)) for k in range(3)]
    assert sum(map(len, parts)) == len(rows)
    assert sum(part.equal for part in parts) == rows.equal
    assert all((part.h[: part.equal] == 0).all() for part in parts)
    assert all((part.h[part.equal :] > 0).all() for part in parts)
    mean = sum(len(part) / len(rows) * loss(net, part).loss for part in parts)
    torch.testing.assert_close(mean, whole, rtol=1e-12, atol=0)
    expected = torch.autograd.grad(whole, list(net.parameters()))
    for found, its in zip(torch.autograd.grad(mean, list(net.parameters())), expected, strict=True):
        torch.testing.assert_close(found, its, rtol=1e-10, atol=1e-13)


def test_shards_do_not_change_a_training(monkeypatch):
    whole = meanflow.train(DATA, WIDE_1, seed=0, threads=2)
    monkeypatch.setattr(engine, "_ROWS", 10_000)
    cut = meanflow.train(DATA, WIDE_1, seed=0)
    torch.testing.assert_close(weights(cut), weights(whole), rtol=1e-3, atol=1e-5)


def test_the_number_of_threads_changes_nothing(small_shards):
    found = []
    before = torch.get_num_threads()
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        first = meanflow.train(DATA, WIDE_1, seed=0, threads=threads)
        second = stage_2.train(first, DATA, WIDE_2, seed=0, threads=threads)
        found.append(torch.cat([weights(first), weights(second)]))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@needs_gpu
def test_a_recorded_training_equals_one_that_is_not(monkeypatch):
    first = meanflow.train(DATA, WIDE_1, seed=0, device="cuda")
    second = stage_2.train(first, DATA, WIDE_2, seed=0, device="cuda")

    class Eager(Replayed):
        def __init__(self, work, generators, *, captured):
            super().__init__(work, generators, captured=False)

    monkeypatch.setattr(engine, "Replayed", Eager)
    eager = meanflow.train(DATA, WIDE_1, seed=0, device="cuda")
    torch.testing.assert_close(weights(eager), weights(first), rtol=1e-5, atol=1e-7)
    eager = stage_2.train(first, DATA, WIDE_2, seed=0, device="cuda")
    torch.testing.assert_close(weights(eager), weights(second), rtol=1e-5, atol=1e-7)


@needs_gpu
@pytest.mark.slow
def test_a_compiled_training_equals_the_eager_one():
    eager = meanflow.train(DATA, WIDE_1, seed=0, device="cuda")
    compiled = meanflow.train(DATA, WIDE_1, seed=0, device="cuda", compiled=True)
    torch.testing.assert_close(weights(compiled), weights(eager), rtol=1e-3, atol=1e-5)
