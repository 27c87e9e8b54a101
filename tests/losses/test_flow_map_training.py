"""Every loss leads a map of normal laws to the one that is known, and what must fail does."""

from __future__ import annotations

import functools
from dataclasses import replace

import pytest
import torch

from flow_map_oracle import AXES, AffineMap, GaussianMap, exact_rows, random_rows
from twostep_rs.losses import flow_map, self_distillation
from twostep_rs.models.flow_map import Direction, chain
from twostep_rs.models.interpolant import Interpolant

PATH = Interpolant()
TRUTH = GaussianMap()

taught = {"path": PATH, "teacher": TRUTH}
MINIMA = {
    "lagrangian": functools.partial(flow_map.lagrangian_loss, **taught),
    "eulerian": functools.partial(flow_map.eulerian_loss, **taught),
    "matching": functools.partial(flow_map.matching_loss, path=PATH),
    "progressive": functools.partial(flow_map.progressive_loss, **taught, jumps=3),
    "LSD": functools.partial(self_distillation.lagrangian_self_distillation, path=PATH),
    "ESD": functools.partial(self_distillation.eulerian_self_distillation, path=PATH),
    "ESD, gradient": functools.partial(
        self_distillation.eulerian_self_distillation, path=PATH, stop="gradient"
    ),
}
# What these descend is the gradient of no function: their aims stand still. Steps as a share of
# the longest that the mean square of an error bears.
FIXED_POINTS = {
    "consistency": (functools.partial(flow_map.consistency_loss, **taught, share=0.1), 0.01),
    "PSD": (functools.partial(self_distillation.progressive_self_distillation, path=PATH), 0.5),
    "MeanFlow": (
        functools.partial(
            self_distillation.eulerian_self_distillation, path=PATH, stop="derivative"
        ),
        0.1,
    ),
}


# With a lower degree, or fewer times near 0 and 1, the longest jumps are beyond the tolerance.
DEGREE = 7
TIMES = 16
TOLERANCE = 0.01


def rows_for(name):
    alone = name in ("LSD", "ESD", "ESD, gradient", "PSD", "MeanFlow")
    return exact_rows(TIMES, diagonal=0.5 if alone else 0.0)


def descend(net, loss, rows, iterations=120, watch=lambda: None):
    optimizer = torch.optim.LBFGS(
        net.parameters(), max_iter=20, history_size=30, tolerance_change=1e-11
    )

    def closure():
        optimizer.zero_grad()
        value = loss(net, rows).loss
        value.backward()
        return value

    for _ in range(iterations // 20):
        watch()
        optimizer.step(closure)
    watch()
    return net


def follow(net, loss, rows, step, iterations=200):
    """Steps against the gradient in the space of maps, in which steps of all sizes are alike."""
    features = net.features(PATH.position(rows.ends, rows.s), rows.s, rows.t)
    gram = features.T @ features / len(rows) + 1e-8 * torch.eye(features.shape[1])
    inverse = torch.linalg.inv(gram)
    for _ in range(iterations):
        (gradient,) = torch.autograd.grad(loss(net, rows).loss, [net.weights])
        with torch.no_grad():
            net.weights -= 0.5 * step * (gradient.flatten(1) @ inverse).view_as(gradient)
    return net


@torch.no_grad()
def error(net, rows, truth=TRUTH):
    """Relative to how far particles move."""
    x = PATH.position(rows.ends, rows.s)
    expected = truth.jump(x, rows.s, rows.t)
    found = net.jump(x, rows.s, rows.t, None)
    return ((found - expected).norm() / (expected - x).norm()).item()


@functools.cache
def trained(name):
    net, rows = AffineMap(DEGREE), rows_for(name)
    if name in MINIMA:
        return descend(net, MINIMA[name], rows, iterations=360)
    loss, step = FIXED_POINTS[name]
    return follow(net, loss, rows, step)


@pytest.mark.parametrize("name", [*MINIMA, *FIXED_POINTS])
def test_a_loss_finds_the_map_its_inverse_and_its_composition(name):
    net, rows = trained(name), random_rows(3000, seed=9)
    assert error(net, rows) < TOLERANCE
    x = PATH.position(rows.ends, rows.s)
    with torch.no_grad():
        moved = TRUTH.jump(x, rows.s, rows.t) - x
        back = net.jump(net.jump(x, rows.s, rows.t, None), rows.t, rows.s, None)
        middle = rows.s.flip(0)
        two = net.jump(net.jump(x, rows.s, middle, None), middle, rows.t, None)
        one = net.jump(x, rows.s, rows.t, None)
    assert (back - x).norm() < TOLERANCE * moved.norm()
    assert (two - one).norm() < TOLERANCE * moved.norm()


@pytest.mark.parametrize("jumps", [1, 2, 4])
@pytest.mark.parametrize("name", [*MINIMA, *FIXED_POINTS])
def test_the_number_of_jumps_is_chosen_after_training(name, jumps):
    net, rows = trained(name), random_rows(3000, seed=4)
    times = [k / jumps for k in range(jumps + 1)]
    with torch.no_grad():
        found = chain(net, rows.source, times, None)
        expected = chain(TRUTH, rows.source, [0.0, 1.0], None)
        back = chain(net, found, times[::-1], None)
    assert (found - expected).norm() < TOLERANCE * (expected - rows.source).norm()
    assert (back - rows.source).norm() < TOLERANCE * (expected - rows.source).norm()


def test_both_errors_bound_the_distance_all_along_training():
    """(3.10) and (3.11), with W2 between normal laws in closed form."""
    rows = exact_rows(40, diagonal=0.0)
    start, end = rows.s == rows.s.min(), rows.t == rows.t.max()
    times = torch.linspace(0.0, 1.0, 201).double().unsqueeze(1)
    growth = TRUTH.growth(times).abs().amax(dim=1)
    lipschitz = torch.trapezoid(growth, times.squeeze(1))

    def lagrangian(net):
        part = at(rows, start.squeeze(1), s=0.0)
        return flow_map.lagrangian_loss(net, part, **taught).loss * torch.exp(1 + 2 * lipschitz)

    def eulerian(net):
        part = at(rows, end.squeeze(1), t=1.0)
        return flow_map.eulerian_loss(net, part, **taught).loss * torch.e

    found = []

    def watch(net):
        with torch.no_grad():
            found.append((distance(net).item(), lagrangian(net).item(), eulerian(net).item()))

    for name in ("lagrangian", "eulerian"):
        net = AffineMap()
        descend(net, MINIMA[name], rows_for(name), watch=functools.partial(watch, net))
    assert max(w for w, _, _ in found) > 0.1
    assert min(w for w, _, _ in found) < 1e-4
    assert all(w <= first and w <= second for w, first, second in found)


def at(rows, keep, **changed):
    """Some of the rows, with a time that is the same in all."""
    parts = (rows.source[keep], rows.target[keep], None, rows.parameter[keep], rows.seen[keep])
    times = {"s": rows.s[keep], "t": rows.t[keep]}
    times |= {name: torch.full_like(times[name], value) for name, value in changed.items()}
    return flow_map.FlowMapBatch(*parts, **times)


def distance(net):
    """W2 squared between the true law at t = 1 and that of one jump from s = 0."""
    zero, one = torch.zeros(3, 1).double(), torch.ones(3, 1).double()
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).double()
    laws = []
    for jump in (TRUTH.jump, lambda *a: net.jump(*a, None)):
        images = jump(points, zero, one)
        matrix = (images[1:] - images[0]).T
        covariance = matrix @ AXES @ (TRUTH.deviation(zero[:1]) ** 2 * AXES).T @ matrix.T
        mean = images[0] + matrix @ TRUTH.mean(zero[:1]).squeeze(0)
        laws.append((mean, covariance))
    (m, a), (n, b) = laws
    root = power(a, 0.5)
    trace = (a + b - 2 * power(root @ b @ root, 0.5)).trace()
    return (m - n).square().sum() + trace


def power(matrix, exponent):
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(0) ** exponent) @ vectors.T


def test_the_denoising_loss_finds_the_conditional_mean_instead():
    """B.1: with the path for the map's own inverse the minimiser is E[I_t | I_s]."""

    class Denoiser(GaussianMap):
        def jump(self, x, s, t, condition=None):
            slope = self.covariance(s, t) / self.covariance(s, s)
            return self.mean(t) + (slope * ((x - self.mean(s)) @ AXES)) @ AXES.T

    def loss(net, batch):
        start = PATH.position(batch.ends, batch.s)
        along = Direction(0 * start, 0 * batch.s, torch.ones_like(batch.t))
        _, dx = net.jump_tangent(start, batch.s, batch.t, None, along)
        wrong = (dx - PATH.velocity(batch.ends, batch.t)).square().sum(1).mean()
        return flow_map.FlowMapLoss(wrong)

    net, rows = descend(AffineMap(), loss, rows_for("")), random_rows(3000, seed=9)
    assert error(net, rows, Denoiser()) < 0.02
    assert error(net, rows) > 0.3
    ends = replace(rows, s=torch.zeros_like(rows.s), t=torch.ones_like(rows.t))
    with torch.no_grad():
        one_jump = net.jump(rows.source, ends.s, ends.t, None)
    assert one_jump.std(dim=0).max() < 0.1  # all particles go to the mean of the target


def test_the_eulerian_loss_of_single_paths_is_biased():
    """B.2: with the path's velocity for b the true map is no minimiser; the one found shrinks."""

    class Path(GaussianMap):
        def velocity(self, x, t, condition=None):
            return PATH.velocity(rows.ends, t)

    rows = rows_for("")
    loss = functools.partial(flow_map.eulerian_loss, path=PATH, teacher=Path())
    net = descend(AffineMap(), loss, rows)
    check = random_rows(3000, seed=9)
    assert error(net, check) > 0.1
    ends = torch.zeros_like(check.s), torch.ones_like(check.t)
    with torch.no_grad():
        spread = net.jump(check.source, *ends, None).std(dim=0)
    assert (spread < 0.8 * TRUTH.jump(check.source, *ends).std(dim=0)).all()
