"""Velocities: gradients of their energies, limits, estimators, tori, and the flows they make."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

import entropic_oracle as gaussians
import twostep_rs as ts
from twostep_rs.gradient_flows.drifting import Drift
from twostep_rs.gradient_flows.entropic import Pairs, converged, cost
from twostep_rs.gradient_flows.particles import flow
from twostep_rs.gradient_flows.velocity import Field
from twostep_rs.methods.w_flow import WFlowConfig

EPSILON = torch.tensor([0.3], dtype=torch.float64)


def clouds(n=12, m=10, dim=2, *, seed=0, dtype=torch.float64):
    """Particles, their twins and targets of one problem."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (n, m, m)
    x, twin, y = (torch.randn(1, size, dim, generator=generator).to(dtype) for size in shapes)
    return x, twin, 1.5 + 0.6 * y


def slopes(function, x, step=1e-5):
    """Central differences in every coordinate."""
    found = torch.zeros_like(x)
    for index in np.ndindex(*x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.clone()
            moved[index] += sign * step
            ends.append(float(function(moved)))
        found[index] = (ends[0] - ends[1]) / (2 * step)
    return found


def velocity(field, x, twin, y, period=None):
    """At the fixed strength, whatever the distances are."""
    if field.energy == "exact":
        return field.velocity(x, twin, y, period)
    partners = twin if field.self_transport == "two-batch" else x
    return field.difference(x, partners, y, EPSILON.expand(len(x)), period)


@pytest.mark.parametrize("period", [None, torch.tensor([2.5, 3.0], dtype=torch.float64)])
def test_the_gradient_of_the_loss_is_that_of_the_energy(period):
    x, twin, y = clouds()

    def energy(x):
        ends = (Pairs(x, z, EPSILON, period) for z in (y, twin))
        ahead, own = (cost(pairs, converged(pairs, tolerance=1e-11)) for pairs in ends)
        return ahead - own

    step = 0.7
    points = x.clone().requires_grad_()
    field = Field(iterations=None, tolerance=1e-11)
    aim = x + step * velocity(field, x, twin, y, period)
    loss = (points - aim).square().sum(2).mean()
    loss.backward()
    torch.testing.assert_close(points.grad, 2 * step * slopes(energy, x), rtol=1e-4, atol=1e-6)


def test_fixed_iterations_have_an_error_that_falls_and_is_known():
    x, twin, y = clouds(60, 60)
    exact = velocity(Field(iterations=None, tolerance=1e-12), x, twin, y)
    errors = []
    for iterations in (3, 12, 48):
        off = velocity(Field(iterations=iterations), x, twin, y) - exact
        errors.append(float(off.norm() / exact.norm()))
    assert errors == sorted(errors, reverse=True)
    assert errors[1] < 0.05
    assert errors[2] < 1e-4


def test_the_limits_are_the_gradients_of_their_energies():
    x, twin, y = clouds()

    def kernel(x, z):
        return torch.exp(-0.5 * torch.cdist(x, z).square() / EPSILON)

    def discrepancy(x):  # the part of its square that x can change
        return kernel(x, twin).mean(2).sum() - kernel(x, y).mean(2).sum()

    def entropy(x):  # log densities at the particles, of fixed clouds
        return kernel(x, twin).mean(2).log().sum() - kernel(x, y).mean(2).log().sum()

    for energy, function in (("mmd", discrepancy), ("kl", entropy)):
        expected = -EPSILON * slopes(function, x)
        found = velocity(Field(energy=energy), x, twin, y)
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("period", [None, torch.tensor([2.5, 3.0], dtype=torch.float64)])
def test_the_exact_velocity_is_the_gradient_of_w2_and_the_limit_of_small_epsilon(period):
    x, twin, y = clouds(14, 14)
    periods = None if period is None else tuple(period.tolist())
    points = x[0].clone().requires_grad_()
    ahead, own = (ts.ot.w2_loss(points, z[0], period=periods) for z in (y, twin))
    (0.5 * (ahead - own)).backward()
    found = Field(energy="exact").velocity(x, twin, y, period)
    torch.testing.assert_close(found[0], -len(points) * points.grad)
    small = Field(iterations=None).difference(x, twin, y, EPSILON / 100, period)
    torch.testing.assert_close(small, found, rtol=0.0, atol=0.1)


@pytest.mark.parametrize("energy", ["sinkhorn", "kl", "mmd", "exact"])
def test_a_torus_is_seamless_and_flat_nearby(energy):
    x, twin, y = (0.3 * cloud for cloud in clouds(20, 20))
    field = Field(energy=energy, iterations=50)
    period = torch.tensor([4.0, 5.0], dtype=torch.float64)
    here = velocity(field, x, twin, y, period)
    torch.testing.assert_close(here, velocity(field, x, twin, y))
    images = (cloud + period * k for cloud, k in ((x, 1), (twin, -2), (y, 3)))
    torch.testing.assert_close(velocity(field, *images, period), here)


def test_equal_laws_rest_on_average_with_two_batches_alone():
    field = {
        kind: Field(self_transport=kind, epsilons=(0.01,)) for kind in ("two-batch", "one-batch")
    }
    inward = dict.fromkeys(field, 0.0)
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        x, twin, y = torch.randn(3, 1, 256, 2, generator=generator)
        for kind, one in field.items():
            inward[kind] += float((one.velocity(x, twin, y) * x).sum(2).mean()) / 8
    # E[x . V] is half the rate at which the second moment, two here, changes.
    assert inward["one-batch"] < -0.03
    assert abs(inward["two-batch"]) < 0.015


def test_normalised_velocities_have_unit_mean_square_and_the_same_direction():
    x, twin, y = clouds(30, 30)
    raw, unit = (Field(normalised=kind).velocity(x, twin, y) for kind in (False, True))
    assert unit.square().mean().item() == pytest.approx(1.0)
    torch.testing.assert_close(unit, raw / raw.square().mean().sqrt())


def test_several_strengths_are_averaged():
    x, twin, y = clouds(30, 30)
    one, other, both = (
        Field(epsilons=strengths).velocity(x, twin, y)
        for strengths in ((0.02,), (0.2,), (0.02, 0.2))
    )
    torch.testing.assert_close(both, 0.5 * (one + other))


def test_others_leave_the_particle_itself_out():
    x, twin, y = clouds(20, 20)
    field = Field(self_transport="others", energy="kl")
    weights = torch.exp(-0.5 * torch.cdist(x, x).square() / EPSILON)
    weights.diagonal(dim1=1, dim2=2).zero_()
    away = weights @ x / weights.sum(2, keepdim=True) - x
    ahead = field.displacement(x, y, EPSILON)
    torch.testing.assert_close(velocity(field, x, twin, y), ahead - away)


def test_drifting_is_the_sum_over_pairs_of_targets_and_particles():
    x, _, y = clouds(6, 5)
    tau = 0.4
    (points,), (targets,) = x.tolist(), y.tolist()
    unit = tau * float(torch.cdist(x, y).mean())
    others = [*targets, *points]
    kernel = np.array([[math.exp(-math.dist(p, z) / unit) for z in others] for p in points])
    kernel[range(6), range(5, 11)] = 0.0
    share = kernel / np.sqrt(kernel.sum(1, keepdims=True) * kernel.sum(0, keepdims=True))
    expected = np.zeros((6, 2))
    for i, j, k in np.ndindex(6, 5, 6):
        pair = np.subtract(targets[j], points[k])
        expected[i] += share[i, j] * share[i, 5 + k] * pair
    found = Drift(temperatures=(tau,)).velocity(x, x, y)
    np.testing.assert_allclose(found[0], expected, rtol=1e-10)
    period = torch.tensor([100.0, 100.0], dtype=torch.float64)
    torch.testing.assert_close(Drift(temperatures=(tau,)).velocity(x + period, x, y, period), found)


def test_finite_clouds_approach_the_flow_of_laws_as_they_grow(monkeypatch):
    monkeypatch.setattr(
        Field, "velocity", lambda self, x, twin, y, period: velocity(self, x, twin, y)
    )
    law = gaussians.euler(0.0, 1.0, 1.0, 0.5, float(EPSILON), steps=8, step_size=0.5)
    errors = []
    for size in (32, 128, 512):
        middles = (torch.arange(size, dtype=torch.float64) + 0.5) / size
        expected = law[0] + law[1] * torch.special.ndtri(middles)
        generator = torch.Generator().manual_seed(size)
        shape = (2, 2048 // size, size, 1)
        x, y = torch.randn(shape, generator=generator, dtype=torch.float64)
        field = Field(self_transport="one-batch")
        *_, last = flow(x, 1.0 + 0.5 * y, field, steps=8, step_size=0.5)
        squares = (last.squeeze(2).sort(dim=1).values - expected).square()
        errors.append(float(squares.mean().sqrt()))
    # As sampling errors fall: by half for four times the particles.
    for coarse, fine in itertools.pairwise(errors):
        assert 1.5 < coarse / fine < 2.7


def test_one_cloud_has_no_second_batch():
    x, _, y = clouds()
    with pytest.raises(ts.errors.InputError, match="self_transport: expected 'one-batch'"):
        next(flow(x, y, Field(), steps=1, step_size=1.0))


def test_exact_plans_have_no_diagonal_to_leave_out():
    with pytest.raises(ts.errors.InputError, match="self_transport: expected 'two-batch' or"):
        Field(energy="exact", self_transport="others")
    with pytest.raises(ts.errors.ConfigError, match="self_transport: expected 'two-batch' or"):
        WFlowConfig(energy="exact", self_transport="others")


def test_the_flow_ends_on_its_targets():
    x, _, y = clouds(40, 40)
    field = Field(self_transport="one-batch", epsilons=(0.02,), iterations=30)
    before = ts.ot.emd(x[0], y[0]).w2
    *_, last = flow(x, y, field, steps=150, step_size=0.7)
    assert ts.ot.emd(last[0], y[0]).w2 < 0.05 * before
