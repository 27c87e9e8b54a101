from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch

from flow_map_oracle import GaussianMap, Perturbed, random_rows
from twostep_rs.losses.flow_map import (
    FlowMapBatch,
    consistency_loss,
    eulerian_loss,
    lagrangian_loss,
    matching_loss,
    progressive_loss,
    velocity_loss,
)
from twostep_rs.losses.meanflow import MeanFlowBatch, meanflow_loss
from twostep_rs.losses.self_distillation import (
    eulerian_self_distillation,
    lagrangian_self_distillation,
    progressive_self_distillation,
)
from twostep_rs.models.features import Scaling
from twostep_rs.models.flow_map import FlowMap, TwoTimeMap
from twostep_rs.models.interpolant import Interpolant
from twostep_rs.models.meanflow import AverageVelocity, Tangent
from twostep_rs.training.capture import Replayed
from twostep_rs.training.engine import Objective

SCALING = Scaling((0.1, 0.2), (1.2, 0.9), (1.0, 4.0))
NO_GPU = not torch.cuda.is_available()

TAUGHT = {
    "lagrangian": lagrangian_loss,
    "eulerian": eulerian_loss,
    "consistency": functools.partial(consistency_loss, share=0.25),
    "progressive": functools.partial(progressive_loss, jumps=3),
}
ALONE = {
    "velocity": velocity_loss,
    "matching": matching_loss,
    "LSD": lagrangian_self_distillation,
    "PSD": progressive_self_distillation,
    "ESD": eulerian_self_distillation,
    "ESD, gradient": functools.partial(eulerian_self_distillation, stop="gradient"),
    "ESD, adaptive": functools.partial(eulerian_self_distillation, adaptive_power=1.0, unit=0.5),
    "MeanFlow": functools.partial(eulerian_self_distillation, stop="derivative"),
}
PATHS = {
    "linear": Interpolant(),
    "noise": Interpolant(noise=0.5),
    "preserving": Interpolant("variance-preserving"),
    "exploding": Interpolant("variance-exploding", explosion=2.0),
}


OWN_TEACHERS = ("LSD", "PSD", "ESD", "ESD, gradient", "ESD, adaptive", "MeanFlow")
TENSORS = ("source", "target", "noise", "parameter", "seen", "s", "t")


def wide(seed):
    """In single precision, and with an output that is not small."""
    torch.manual_seed(seed)
    net = FlowMap(SCALING, width=128, depth=6, head="plain")
    with torch.no_grad():
        net.head.linear.weight.mul_(10.0)
    return net


def network(seed=0):
    torch.manual_seed(seed)
    return FlowMap(SCALING, width=10, depth=3, head="affine", waves=1).double()


def batch(n=40, diagonal=0, path=None):
    rows = random_rows(n, seed=3, path=path, diagonal=diagonal)
    parameter = 1.0 + 3.0 * torch.rand(n, 1, generator=torch.Generator().manual_seed(4)).double()
    return replace(rows, parameter=parameter, seen=parameter.flip(0))


def loss_of(name, path, teacher):
    if name in TAUGHT:
        return functools.partial(TAUGHT[name], path=path, teacher=teacher)
    return functools.partial(ALONE[name], path=path)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
@pytest.mark.parametrize("name", [*TAUGHT, *ALONE])
def test_the_true_map_is_stationary(name, path):
    """The gradient there is zero: to rounding, or to four standard errors where paths are noisy."""
    truth = GaussianMap(path)
    net = Perturbed(truth)
    noisy = name in ("velocity", "matching")
    blocks = 30 if noisy else 1
    gradients = []
    for k in range(blocks):
        rows = random_rows(2000, seed=k, path=path, diagonal=0)
        if name == "velocity":
            rows = replace(rows, s=rows.t)
        loss = loss_of(name, path, truth)(net, rows).loss
        gradients.append(torch.autograd.grad(loss, net.weights)[0])
    stacked = torch.stack(gradients)
    if noisy:
        error = stacked.std(dim=0) / blocks**0.5
        assert (stacked.mean(0).abs() < 4 * error).all()
        assert error.max() < 0.2
    else:
        # Heun's method errs by the third power of its step.
        tolerance = 0.1 if name == "consistency" else 1e-7
        assert stacked.abs().max() < tolerance


STEP = 1e-5


def slope(function, *directions):
    """Central difference of a function of its arguments along directions."""
    ends = [function(*(x + h * dx for x, dx in directions)) for h in (STEP, -STEP)]
    return (ends[0] - ends[1]) / (2 * STEP)


def textbook(name, net, still, rows, path, teacher):
    """Errors by the formulas, derivatives by differences; ``still`` is a copy that stands still."""
    told, s, t = net.condition(rows.parameter, rows.seen), rows.s, rows.t
    one, zero = torch.ones_like(s), torch.zeros_like(s)
    x, h, half = path.position(rows.ends, s), t - s, 0.5 * (s + t)
    v, jump = (lambda *a: net.mean_velocity(*a, told)), (lambda *a: net.jump(*a, told))
    w, leap = (lambda *a: still.mean_velocity(*a, told)), (lambda *a: still.jump(*a, told))
    b, moving = (lambda *a: teacher.velocity(*a, told)), path.velocity(rows.ends, t)
    if name == "velocity":
        return v(path.position(rows.ends, t), t, t) - moving
    if name == "lagrangian":
        return slope(lambda t: jump(x, s, t), (t, one)) - b(jump(x, s, t), t)
    if name == "eulerian":
        return slope(lambda x, s: jump(x, s, t), (x, b(x, s)), (s, one))
    if name == "consistency":
        later = s + 0.25 * h
        mean = 0.5 * (b(x, s) + b(x + 0.25 * h * b(x, s), later))
        return (jump(x, s, t) - leap(x + 0.25 * h * mean, later, t)) / (0.25 * h)
    if name == "matching":
        end = path.position(rows.ends, t)
        y = jump(end, t, s)
        error = slope(lambda t: jump(y, s, t), (t, one)) - moving
        return torch.cat([error, jump(y, s, t) - end], dim=1)
    if name == "progressive":
        aim, times = x, [s, s + h / 3, s + 2 * h / 3, t]
        for k in range(3):
            aim = teacher.jump(aim, times[k], times[k + 1], told)
        return jump(x, s, t) - aim
    error = {
        "LSD": lambda: slope(lambda t: jump(x, s, t), (t, one)) - w(leap(x, s, t), t, t),
        "PSD": lambda: v(x, s, t) - 0.5 * (w(x, s, half) + w(leap(x, s, half), half, t)),
        "ESD": lambda: slope(lambda x, s: jump(x, s, t), (x, w(x, s, s)), (s, one)),
        "ESD, gradient": lambda: (
            slope(lambda s: jump(x, s, t), (s, one))
            + slope(lambda x: leap(x, s, t), (x, w(x, s, s)))
        ),
        "MeanFlow": lambda: (
            v(x, s, t) - w(x, s, s) - h * slope(lambda x, s: w(x, s, t), (x, w(x, s, s)), (s, one))
        ),
    }[name]()
    return torch.where(s == t, v(x, t, t) - moving, error) + zero


@pytest.mark.parametrize("name", [name for name in (*TAUGHT, *ALONE) if name != "ESD, adaptive"])
def test_a_loss_and_its_gradient_equal_the_textbook_by_differences(name):
    path, teacher = Interpolant(noise=0.3), network(1)
    rows = batch(path=path, diagonal=15 if name in OWN_TEACHERS else 0)
    net, still = network(), network().requires_grad_(requires_grad=False)
    found = loss_of(name, path, teacher)(net, rows).loss
    expected = textbook(name, net, still, rows, path, teacher).square().sum(dim=1).mean()
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-9)
    gradients = (
        torch.autograd.grad(loss, list(net.parameters()), materialize_grads=True)
        for loss in (found, expected)
    )
    for mine, its in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-5, atol=1e-7)


def single(rows, device="cpu"):
    """The same rows in single precision."""
    return replace(rows, **{key: getattr(rows, key).float().to(device) for key in TENSORS})


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(NO_GPU, reason="there is no GPU"))],
)
@pytest.mark.parametrize("name", [*TAUGHT, *ALONE])
def test_single_precision_and_a_recording_have_the_gradient_of_double(name, device):
    path = Interpolant(noise=0.3)
    rows = random_rows(256, 0, path, diagonal=96 if name in OWN_TEACHERS else 0)

    def gradient(net, teacher, rows):
        loss = loss_of(name, path, teacher)(net, rows).loss
        return torch.autograd.grad(loss, list(net.parameters()), materialize_grads=True)

    expected = gradient(wide(0).double(), wide(1).double(), rows)
    net, teacher, rows = wide(0).to(device), wide(1).to(device), single(rows, device)
    step = Replayed(lambda: gradient(net, teacher, rows), captured=device == "cuda")
    for _ in range(5):
        found = step()
    for mine, its in zip(found, expected, strict=True):
        assert (mine.cpu() - its).norm() <= 1e-4 * its.norm()


@pytest.mark.parametrize("name", [*TAUGHT, *ALONE])
def test_half_precision_moves_a_gradient_far_less_than_another_batch_does(name):
    path = Interpolant(noise=0.3)

    def gradient(seed, *, half):
        rows = single(random_rows(256, seed, path, diagonal=96 if name in OWN_TEACHERS else 0))
        net, teacher = (wide(k) for k in (0, 1))
        loss = Objective(net, loss_of(name, path, teacher), half=half)(rows)["loss"]
        found = torch.autograd.grad(4096.0 * loss, list(net.parameters()), materialize_grads=True)
        return torch.cat([part.double().flatten() for part in found])

    exact = gradient(0, half=False)
    rounding = (gradient(0, half=True) - exact).norm()
    sampling = (gradient(1, half=False) - exact).norm()
    assert 1e-5 * exact.norm() < rounding < 3e-3 * exact.norm()
    assert rounding < 0.02 * sampling


@pytest.mark.parametrize("name", [*TAUGHT, *ALONE])
def test_shards_have_the_loss_of_the_whole(name):
    path, teacher = Interpolant(noise=0.3), network(1)
    rows = batch(path=path, diagonal=15 if name in OWN_TEACHERS else 0)
    rows = replace(rows, share=torch.rand_like(rows.s))
    loss = loss_of(name, path, teacher)
    parts = [rows.rows(slice(k, None, 3)) for k in range(3)]
    mean = sum(len(part) / len(rows) * loss(network(), part).loss for part in parts)
    torch.testing.assert_close(mean, loss(network(), rows).loss, rtol=1e-12, atol=0)


def test_parts_of_a_self_distillation_add_up():
    found = lagrangian_self_distillation(network(), batch(diagonal=15), path=Interpolant())
    torch.testing.assert_close(found.velocity + found.distillation, found.loss.detach())
    assert not found.velocity.requires_grad


def test_the_consistency_loss_tends_to_the_eulerian_one():
    rows, net, teacher = batch(), network(), network(1)
    expected = eulerian_loss(net, rows, path=Interpolant(), teacher=teacher).loss
    gaps = [
        (consistency_loss(net, rows, path=Interpolant(), teacher=teacher, share=e).loss - expected)
        .abs()
        .item()
        for e in (0.1, 0.01, 0.001)
    ]
    assert gaps[1] < 0.2 * gaps[0]
    assert gaps[2] < 0.2 * gaps[1]
    assert gaps[2] < 0.01 * expected


class Reversed(TwoTimeMap):
    """MeanFlow's network as a map of two times: its time runs from target to source."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def condition(self, parameter, seen=None):
        return self.net.condition(parameter, seen)

    def mean_velocity(self, x, s, t, condition):
        trunk = self.net.trunk(x, 1 - s, t - s, condition)
        return -self.net.velocity(trunk, condition)

    def tangent(self, x, s, t, condition, along):
        trunk = self.net.trunk(x, 1 - s, t - s, condition)
        towards = Tangent(along.x, -along.s, along.t - along.s)
        derivative = self.net.tangent(x, 1 - s, t - s, condition, towards, trunk)
        return -self.net.velocity(trunk, condition), -derivative


def meanflow_network():
    torch.manual_seed(0)
    return AverageVelocity(SCALING, width=10, depth=3, head="affine").double()


def test_meanflow_is_the_eulerian_self_distillation_that_stands_still():
    """Where paths move as the network says, which is what flow matching makes true on average."""
    net, rows = meanflow_network(), batch(diagonal=15)
    s, t = torch.minimum(rows.s, rows.t), torch.maximum(rows.s, rows.t)
    # Ends that the network's own velocity joins: v = source - target where the path is at s.
    x = Interpolant().position(rows.ends, s)
    with torch.no_grad():
        v = net(x, 1 - s, torch.zeros_like(s), rows.parameter, rows.seen)
    rows = replace(rows, source=x + s * v, target=x - (1 - s) * v, s=s, t=t)
    ours = eulerian_self_distillation(
        Reversed(net), rows, path=Interpolant(), stop="derivative"
    ).loss
    reverse = MeanFlowBatch(
        rows.source, rows.target, rows.parameter, rows.seen, 1 - s, t - s, rows.diagonal
    )
    weights = list(net.parameters())
    expected = torch.autograd.grad(ours, weights)
    for method in ("meanflow", "imf"):
        theirs = meanflow_loss(
            net, reverse, method=method, weighting_power=0.0, weighting_offset=1.0
        ).loss
        torch.testing.assert_close(theirs, ours.detach(), rtol=1e-10, atol=0, check_stride=False)
        for found, its in zip(torch.autograd.grad(theirs, weights), expected, strict=True):
            torch.testing.assert_close(found, its, rtol=1e-9, atol=1e-12)


def test_rows_of_a_batch_keep_what_belongs_to_them():
    rows = replace(batch(path=Interpolant(noise=1.0), diagonal=15), share=torch.rand(40, 1))
    part = rows.rows(slice(1, None, 4))
    assert isinstance(part, FlowMapBatch)
    assert part.diagonal == 4
    assert (part.s[: part.diagonal] == part.t[: part.diagonal]).all()
    for name in ("source", "target", "noise", "parameter", "seen", "s", "t", "share"):
        assert torch.equal(getattr(part, name), getattr(rows, name)[1::4])


@pytest.mark.parametrize("stop", ["velocity", "gradient", "derivative"])
def test_large_errors_count_less_by_the_weight_that_the_formula_says(stop):
    net, rows = network(), batch(diagonal=15)
    loss = functools.partial(eulerian_self_distillation, net, path=Interpolant(), stop=stop)
    weights = list(net.parameters())
    for power in (0.0, 0.5, 1.0):
        singles = [loss(rows.rows(slice(k, k + 1))) for k in range(15, 40)]
        found = loss(rows, adaptive_power=power, unit=3.0)
        factors = [(1.0 + float(one.distillation) / 3.0) ** -power for one in singles]
        weighted = sum(f * float(one.distillation) for f, one in zip(factors, singles, strict=True))
        minimised = found.loss.item() - float(found.velocity)
        assert minimised == pytest.approx(weighted / 40, rel=1e-9)
        assert float(found.distillation) == pytest.approx(
            sum(float(one.distillation) for one in singles) / 40, rel=1e-9
        )
        gradients = torch.autograd.grad(found.loss, weights)
        rest = loss(rows.rows(slice(15))).loss * 15
        expected = torch.autograd.grad(
            (rest + sum(f * one.loss for f, one in zip(factors, singles, strict=True))) / 40,
            weights,
        )
        for one, other in zip(gradients, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-12)
