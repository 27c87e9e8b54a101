"""Solvers of flows, and the losses of flow matching and of shortcuts."""

from __future__ import annotations

import math

import pytest
import torch

from training_problem import clouds
from twostep_rs.losses.flow_matching import FlowMatchingBatch, flow_matching_loss
from twostep_rs.losses.shortcut import ShortcutBatch, shortcut_loss
from twostep_rs.methods import shortcut
from twostep_rs.methods.rectified_flow import RectifiedFlowConfig
from twostep_rs.methods.shortcut import ShortcutConfig
from twostep_rs.models.ode import adaptive, euler
from twostep_rs.training.data import TrainingData
from twostep_rs.training.pairs import Pairs


def growing(z, t):
    """dz/dt = -t z, so that z(0) = exp(1/2) z(1)."""
    return -t * z


def test_solvers_go_from_one_to_zero():
    z = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)).double()
    exact = math.exp(0.5) * z
    torch.testing.assert_close(adaptive(growing, z, 1e-8), exact, rtol=1e-7, atol=1e-8)
    torch.testing.assert_close(euler(growing, z, 1), 2.0 * z)
    errors = [(euler(growing, z, k) - exact).abs().max().item() for k in (50, 100)]
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.05)


def column(n, value):
    return torch.full((n, 1), value).double()


def test_flow_matching_is_regression_on_the_straight_path():
    source, target = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(0)).double()
    t = torch.linspace(0.0, 1.0, 6).double().unsqueeze(1)

    class Net:
        def velocity_at(self, z, t, parameter, seen):
            torch.testing.assert_close(z, (1 - t) * target + t * source)
            return 0.0 * z

    rows = FlowMatchingBatch(source, target, column(6, 1.0), column(6, 1.0), t)
    expected = (source - target).square().sum(1).mean()
    torch.testing.assert_close(flow_matching_loss(Net(), rows).loss, expected)


def shortcut_rows(config, n=64):
    pairs = Pairs(TrainingData.from_clouds(clouds()), "paired", torch.device("cpu"))
    return shortcut._draw(config, pairs, torch.Generator().manual_seed(0)), n


def test_steps_of_shortcuts_are_halvings_and_begin_at_multiples():
    config = ShortcutConfig(octaves=4, batch=400, width=8, depth=1)
    rows, _ = shortcut_rows(config)
    assert rows.equal == 300
    assert (rows.h[:300] == 0).all()
    h, t, half = rows.h[300:], rows.t[300:], rows.half[300:]
    assert set(h.flatten().tolist()) == {1.0, 0.5, 0.25, 0.125}
    torch.testing.assert_close((t / h).round() * h, t)
    assert ((t >= h) & (t <= 1.0)).all()
    assert (half == torch.where(h > 0.125, h / 2, 0.0)).all()
    parts = [rows.rows(slice(k, None, 3)) for k in range(3)]
    assert sum(part.equal for part in parts) == 300
    assert all((part.h[part.equal :] > 0).all() for part in parts)


def test_a_shortcut_is_two_steps_of_half_the_length():
    """For the flow of :func:`growing` the true average velocity has no error but that of flow."""

    def average(z, t, h, parameter, seen):
        there = z * torch.exp(0.5 * (t**2 - (t - h) ** 2))
        return torch.where(h > 0, (z - there) / h.clamp_min(1e-12), growing(z, t))

    z = torch.randn(8, 2, generator=torch.Generator().manual_seed(1)).double()
    h = torch.tensor([1.0, 0.5, 0.5, 0.25] * 2).double().unsqueeze(1)
    t = torch.tensor([1.0, 1.0, 0.5, 0.75] * 2).double().unsqueeze(1)
    ones = column(8, 1.0)
    rows = ShortcutBatch(z, z, ones, ones, t, h, h / 2, 0)
    assert shortcut_loss(average, rows).consistency < 1e-20
    wrong = shortcut_loss(lambda z, t, h, *more: 2.0 * average(z, t, h, *more), rows)
    assert wrong.consistency > 1e-3


@pytest.mark.parametrize(("steps", "first"), [(2, 1), (3, 2), (100, 50)])
def test_both_flows_have_steps(steps, first):
    assert RectifiedFlowConfig(steps=steps).first_steps == first
    assert RectifiedFlowConfig(steps=steps, first=0.0).first_steps == 1
    assert RectifiedFlowConfig(steps=steps, first=1.0).first_steps == steps - 1
