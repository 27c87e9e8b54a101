"""Brownian bridges against their closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from twostep_rs.losses.bridge import BridgeBatch, bridge, bridge_loss
from twostep_rs.models.bridge import BridgeFlow, on_sphere
from twostep_rs.models.features import Scaling

SCALING = Scaling((0.0, 0.0), (1.0, 1.0), (1.0, 4.0))
NOISE = 0.7
# Source N(0, 1), target N(1, 0.5^2) in every coordinate, independent.
MEAN, SPREAD = 1.0, 0.5


def moments(t):
    """Mean and variance of the marginal at time t, and their derivatives."""
    mean, slope = (1 - t) * MEAN, -MEAN
    variance = (1 - t) ** 2 * SPREAD**2 + t**2 + NOISE**2 * t * (1 - t)
    change = -2 * (1 - t) * SPREAD**2 + 2 * t + NOISE**2 * (1 - 2 * t)
    return mean, slope, variance, change


def rows(n, seed=0):
    random = torch.Generator().manual_seed(seed)
    source, target, normal = torch.randn(3, n, 2, generator=random, dtype=torch.float64)
    t = 0.05 + 0.9 * torch.rand(n, 1, generator=random, dtype=torch.float64)
    return source, MEAN + SPREAD * target, t, normal


@pytest.mark.parametrize("t", [0.1, 0.5, 0.8])
def test_the_marginals_are_those_of_the_bridge(t):
    source, target, _, normal = rows(200_000)
    point = bridge(source, target, torch.full((200_000, 1), t).double(), normal, NOISE)
    mean, slope, variance, change = moments(t)
    error = 4.0 * variance**0.5 / 200_000**0.5
    torch.testing.assert_close(point.z.mean(0), torch.full((2,), mean).double(), rtol=0, atol=error)
    assert point.z.var(0).numpy() == pytest.approx(variance, rel=0.02)
    # The velocity regressed on z: E[u | z] is affine, with slope (variance)' / (2 variance).
    z, u = point.z[:, 0] - mean, point.velocity[:, 0]
    assert u.mean().item() == pytest.approx(slope, abs=4 * u.std().item() / 200_000**0.5)
    found = (z * u).mean() / z.square().mean()
    scatter = (u - slope - found * z).std() / (200_000**0.5 * z.std())
    assert found.item() == pytest.approx(change / (2 * variance), abs=4 * scatter.item())
    # The score regressed on z is -(z - mean) / variance.
    score = point.score[:, 0]
    found = (z * score).mean() / z.square().mean()
    scatter = (score - found * z).std() / (200_000**0.5 * z.std())
    assert found.item() == pytest.approx(-1 / variance, abs=4 * scatter.item())


def test_score_and_velocity_are_derivatives():
    source, target, t, normal = rows(50)
    point = bridge(source, target, t, normal, NOISE)
    z = point.z.clone().requires_grad_()
    mean, variance = torch.lerp(target, source, t), NOISE**2 * t * (1 - t)
    log_density = (-0.5 * (z - mean).square() / variance).sum()
    torch.testing.assert_close(point.score, torch.autograd.grad(log_density, z)[0])
    step = 1e-6
    ends = [bridge(source, target, t + s, normal, NOISE).z for s in (step, -step)]
    slope = (ends[0] - ends[1]) / (2 * step)
    torch.testing.assert_close(point.velocity, slope, rtol=1e-7, atol=1e-7)


class Exact(BridgeFlow):
    """Velocity and score of the marginals."""

    def __init__(self, sampler):
        super().__init__(
            SCALING,
            noise=NOISE,
            sampler=sampler,
            evaluations=200,
            tolerance=1e-6,
            sphere=False,
            width=4,
            depth=1,
            head="plain",
        )
        self.flow.velocity_at = self.velocity_at

    def velocity_at(self, z, t, parameter, seen=None):
        mean, slope, variance, change = moments(t)
        return slope + change / (2 * variance) * (z - mean)

    def score_at(self, z, t, parameter, seen=None):
        mean, _, variance, _ = moments(t)
        return -(z - mean) / variance


@pytest.mark.parametrize(
    ("sampler", "tolerance"), [("adaptive", 2e-3), ("euler", 0.01), ("sde", 0.03)]
)
def test_flow_and_diffusion_end_in_the_target(sampler, tolerance):
    """20 000 particles: the standard error of their moments is 0.5 %, and less without noise."""
    source = torch.randn(20_000, 2, generator=torch.Generator().manual_seed(1))
    source = (source - source.mean(0)) / source.std(0)
    random = torch.Generator().manual_seed(2)
    z = Exact(sampler).transport(source, torch.ones(20_000, 1), random=random)
    torch.testing.assert_close(z.mean(0), torch.full((2,), MEAN), rtol=0, atol=tolerance)
    torch.testing.assert_close(z.std(0), torch.full((2,), SPREAD), rtol=0, atol=tolerance)


@pytest.mark.parametrize("last", [0.75, 0.4, 0.1])
def test_flow_and_diffusion_have_the_same_marginals_on_the_way(last):
    """Both fields are stopped at a time: moments there are those of the bridge, on either way."""
    n = 40_000
    source = torch.randn(n, 2, generator=torch.Generator().manual_seed(3))
    source = (source - source.mean(0)) / source.std(0)
    mean, _, variance, _ = moments(last)
    for sampler, tolerance in (("euler", 0.01), ("sde", 0.02)):
        net = stopped(Exact(sampler), last)
        z = net.transport(source, torch.ones(n, 1), random=torch.Generator().manual_seed(4))
        assert z.mean(0).numpy() == pytest.approx(mean, abs=tolerance)
        assert z.std(0).numpy() == pytest.approx(variance**0.5, rel=tolerance)


def stopped(net, last):
    """The same particles, which stay where they are at the time ``last``: clocks run slower."""
    rate = 1.0 - last
    flow, score = net.velocity_at, net.score_at

    def clock(t):
        return 1.0 - rate * (1.0 - t)

    # Of the diffusion, dW over a time that is shorter by the rate is smaller by its root.
    net.noise = NOISE * rate**0.5
    net.flow.velocity_at = lambda z, t, *more: rate * flow(z, clock(t), *more)
    net.score_at = lambda z, t, *more: score(z, clock(t), *more)
    return net


def test_the_exact_velocity_and_score_minimise_the_loss():
    net = Exact("sde")
    source, target, t, normal = rows(100_000)
    ones = torch.ones_like(t)
    batch = BridgeBatch(source, target, ones, ones, t, normal)
    best = bridge_loss(net, batch, score_weight=1.0, balanced=True)
    for factor in (0.9, 1.1):
        exact = Exact("sde")
        exact.velocity_at = lambda *of, k=factor: k * net.velocity_at(*of)
        exact.flow.velocity_at = exact.velocity_at
        exact.score_at = lambda *of, k=factor: k * net.score_at(*of)
        worse = bridge_loss(exact, batch, score_weight=1.0, balanced=True)
        assert worse.flow > best.flow
        assert worse.score > best.score


def test_points_move_along_rays_to_the_sphere():
    points = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 3)))
    moved = on_sphere(points)
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(50).double())
    torch.testing.assert_close(moved * points.norm(dim=1, keepdim=True), points)
    assert torch.equal(on_sphere(torch.zeros(1, 3)), torch.zeros(1, 3))
