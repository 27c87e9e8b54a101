"""IMM: its statistic is zero for the true map, and its times begin where they end often enough."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace

import pytest
import torch

from twostep_rs.errors import ConfigError
from twostep_rs.losses.imm import IMMBatch, discrepancy, imm_loss, laplace
from twostep_rs.methods.imm import IMMConfig, draw_times
from twostep_rs.models.features import Scaling
from twostep_rs.models.meanflow import AverageVelocity

SPREAD = 0.4


def deviation(t):
    """Of the points on straight paths between independent Gaussians, N(0, 1) at t = 1."""
    return ((1 - t) ** 2 * SPREAD**2 + t**2).sqrt()


class TrueMap:
    """The flow of those paths, z -> z deviation(s) / deviation(t), as an average velocity."""

    positions = SimpleNamespace(scale=torch.ones(2).double(), period=None)

    def __init__(self, factor=1.0):
        self.factor = factor

    def __call__(self, z, t, h, parameter, seen):
        there = z * self.factor * deviation(t - h) / deviation(t)
        return torch.where(h > 0, (z - there) / h.clamp_min(1e-12), 0.0)


def batch(groups, size, seed):
    random = torch.Generator().manual_seed(seed)
    source, target = torch.randn(2, groups, size, 2, generator=random).double()
    config = IMMConfig(middle="uniform", grounded=0.25)
    t, r, s = (time.double() for time in draw_times(config, groups, random))
    ones = torch.ones_like(t)
    return IMMBatch(source, SPREAD * target, ones, ones, t, r, s, ones)


def test_the_u_statistic_is_zero_for_the_true_map_and_for_no_other():
    def statistic(net):
        found = torch.stack(
            [imm_loss(net, batch(200, 16, seed), bandwidths=(1.0,)).mmd for seed in range(40)]
        )
        return found.mean(), found.std() / 40**0.5

    mean, error = statistic(TrueMap())
    assert abs(mean) < 3 * error
    mean, error = statistic(TrueMap(1.2))
    assert mean > 10 * error


def test_the_loss_of_the_true_map_is_the_bias_of_the_v_statistic():
    rows = batch(200, 16, 0)
    found = imm_loss(TrueMap(), rows, bandwidths=(0.5, 2.0))
    # V = ((m - 1) U + D) / m, where D is the mean over i = j of 2 k(x, x) - 2 k(x_i, y_i).
    closest = (16 * found.loss - 15 * found.mmd) / 2
    assert 0.0 < closest < 1.0
    assert found.loss > 10 * found.mmd.abs()
    assert len(rows) == 200
    assert torch.equal(rows.rows(slice(1, None, 2)).t, rows.t[1::2])


def test_the_discrepancy_is_the_sum_over_pairs():
    x, y = torch.randn(2, 3, 5, 2, generator=torch.Generator().manual_seed(0)).double()
    width = torch.tensor([0.5, 1.0, 2.0]).double().view(3, 1, 1)

    def kernel(g, a, b):
        return torch.exp(-(a - b).norm() / (2 * width[g, 0, 0])).item()

    for g in range(3):
        terms = [
            kernel(g, x[g, i], x[g, j])
            + kernel(g, y[g, i], y[g, j])
            - 2 * kernel(g, x[g, i], y[g, j])
            for i in range(5)
            for j in range(5)
            if i != j
        ]
        found = discrepancy(x, y, width, unbiased=True)[g].item()
        assert found == pytest.approx(sum(terms) / 20, abs=1e-3)


def test_kernels_take_the_shortest_way_on_a_torus():
    x = torch.tensor([[[0.1, 0.5], [2.9, 0.5]]])
    y = torch.tensor([[[2.9, 0.5], [0.1, 3.4]]])
    width, period = torch.ones(1, 1, 1), torch.tensor([3.0, 3.0])
    expected = torch.tensor([[[0.2, 0.1], [0.0, (0.04 + 0.01) ** 0.5]]])
    found = laplace(x, y, width, period)
    torch.testing.assert_close(found, torch.exp(-expected / 2), rtol=0, atol=1e-4)
    moved = laplace(x + period, y - 2 * period, width, period)
    torch.testing.assert_close(found, moved, rtol=0, atol=1e-5)


def test_the_loss_on_a_torus_does_not_depend_on_the_images_of_particles():
    net = AverageVelocity(
        Scaling((0.5, 0.5), (0.4, 0.4), (1.0, 2.0), period=(1.0, 1.0)),
        width=8, depth=2, head="plain",
    )  # fmt: skip
    rows = replace(batch(20, 8, 0), parameter=torch.ones(20, 1), seen=torch.ones(20, 1))
    rows = type(rows)(*(getattr(rows, field.name).float() for field in fields(rows)))
    turns = torch.randint(-2, 3, (20, 8, 2), generator=torch.Generator().manual_seed(1))
    moved = replace(rows, source=rows.source + turns, target=rows.target + turns)
    one, other = (imm_loss(net, each, bandwidths=(1.0,)).loss for each in (rows, moved))
    torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_groups_count_by_their_particles():
    assert (len(batch(20, 16, 0)), batch(20, 16, 0).particles) == (20, 320)


def test_the_gradient_is_finite_where_particles_meet():
    x = torch.zeros(1, 4, 2, requires_grad=True)
    laplace(x, x, torch.ones(1, 1, 1)).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_times_are_in_order_and_the_rule_steps_evenly():
    random = torch.Generator().manual_seed(0)
    t, r, s = draw_times(IMMConfig(step=0.1), 10_000, random)
    assert ((s <= r) & (r < t) & (s >= 0) & (t <= 1)).all()
    free = (r > s) & (t < 0.99)
    eta = t / (1 - t) - r / (1 - r)
    torch.testing.assert_close(eta[free], torch.full_like(eta[free], 0.1), rtol=1e-2, atol=1e-3)
    assert 0.05 < (r == s).float().mean() < 0.5  # grounded by the rule itself


def test_a_share_of_the_groups_is_grounded():
    random = torch.Generator().manual_seed(0)
    _, r, s = draw_times(IMMConfig(middle="uniform", grounded=0.25), 100, random)
    assert (r == s).sum() == 25


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"group": 1}, "group: expected at least 2"),
        ({"group": 100}, "group: expected a divisor of batch = 4096, got 100"),
        ({"step": 0.0}, "step: expected a positive number"),
        ({"grounded": 1.5}, "grounded: expected a number from 0 to 1"),
        ({"bandwidths": ()}, "bandwidths: expected positive numbers"),
        ({"head": "plain"}, "jitter: expected 0 with head 'plain'"),
    ],
)
def test_what_makes_no_sense_is_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        IMMConfig(**values)


@pytest.mark.parametrize(
    ("batch", "particles"), [(4096, 128), (2048, 128), (512, 32), (1000, 50), (64, 4), (97, 97)]
)
def test_groups_are_as_large_as_leaves_several_to_a_batch(batch, particles):
    assert IMMConfig(batch=batch).particles == particles
    assert IMMConfig(batch=batch, group=batch).particles == batch
