"""Entropic couplings against POT, a closed form and the limits of epsilon."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import ot
import twostep_rs as ts
from training_problem import STAGE_1, STAGE_2, clouds
from twostep_rs.errors import ConfigError
from twostep_rs.methods import meanflow
from twostep_rs.training import stage_2
from twostep_rs.training.data import TrainingData
from twostep_rs.training.entropic import EntropicCouplings, barycentres

DATA = TrainingData.from_clouds(clouds())


def problems(k=2, n=40, m=30, d=3, dtype=torch.float64):
    random = torch.Generator().manual_seed(1)
    x = torch.randn(k, n, d, generator=random, dtype=dtype)
    y = torch.randn(k, m, d, generator=random, dtype=dtype) * 0.5 + torch.arange(k)[:, None, None]
    return x, y


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("epsilon", [1.0, 0.05])
def test_barycentres_are_those_of_pot(epsilon, relative):
    x, y = problems()
    found = barycentres(x, y, epsilon, relative=relative, tolerance=1e-12, iterations=20_000)
    assert found.residual <= 1e-12
    for one, a, b in zip(found.points, x.numpy(), y.numpy(), strict=True):
        costs = ot.dist(a, b)
        regularisation = epsilon * (costs.mean() if relative else 1.0)
        plan = ot.sinkhorn(
            [], [], costs, regularisation, method="sinkhorn_log", numItermax=50_000, stopThr=1e-12
        )
        expected = plan @ b / plan.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(one.numpy(), expected, rtol=0, atol=1e-9)


def test_a_warm_start_ends_at_the_same_in_fewer_iterations():
    x, y = problems()
    cold = barycentres(x, y, 0.05, tolerance=1e-8, iterations=5_000)
    moved = x + 1e-3
    again = barycentres(moved, y, 0.05, tolerance=1e-8, iterations=5_000)
    warm = barycentres(moved, y, 0.05, start=cold.potential, tolerance=1e-8, iterations=5_000)
    assert warm.iterations < again.iterations
    torch.testing.assert_close(warm.points, again.points, rtol=0, atol=1e-7)


def test_a_small_epsilon_leads_to_the_exact_partners():
    x, y = problems(n=12, m=12)
    found = barycentres(x, y, 2e-3, tolerance=1e-3, iterations=20_000)
    assert found.residual <= 1e-3
    for one, a, b in zip(found.points, x, y, strict=True):
        exact = b[ts.ot.emd(a, b).permutation]
        torch.testing.assert_close(one, exact, rtol=0, atol=0.02)


def test_the_slope_between_normal_laws_is_the_closed_form():
    """Janati, Muzellec, Peyré and Cuturi 2020: the covariance of the entropic plan."""
    epsilon, n = 0.3, 500
    grid = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 1, n, 1)))
    x, y = grid / grid.std(dim=2, keepdim=True, unbiased=False)
    found = barycentres(x, y, epsilon, tolerance=1e-10, iterations=2_000)
    slope = float((found.points * x).mean() / x.square().mean())
    assert slope == pytest.approx((1.0 + epsilon**2 / 16.0) ** 0.5 - epsilon / 4.0, abs=0.02)


def test_on_a_torus_barycentres_are_those_of_nearest_images():
    x, y = problems(d=2)
    period = torch.tensor([10.0, 20.0], dtype=torch.float64)
    inside = barycentres(x, y, 0.1, tolerance=1e-10, iterations=2_000)
    across = barycentres(x, y + period, 0.1, period=period, tolerance=1e-10, iterations=2_000)
    torch.testing.assert_close(across.points, inside.points, rtol=0, atol=1e-8)


def test_a_budget_that_runs_out_is_told_and_rows_keep_their_mass():
    x, y = problems()
    found = barycentres(x, y, 1e-3, iterations=3)
    assert found.iterations == 3
    assert found.residual > 1e-3
    low, high = y.amin(dim=1, keepdim=True), y.amax(dim=1, keepdim=True)
    assert ((found.points >= low - 1e-9) & (found.points <= high + 1e-9)).all()


def test_stage_2_trains_on_entropic_couplings():
    first = meanflow.train(DATA, STAGE_1, seed=0)
    rows = []
    config = replace(STAGE_2, solver="sinkhorn", epsilon=0.05, epsilon_unit="mean-cost")
    one, two, exact = (
        stage_2.train(first, DATA, c, seed=0, log=rows.append)
        for c in (config, config, replace(config, solver="exact"))
    )
    assert 0.0 < rows[0]["coupling_residual"] < 1e-3
    weights, again, other = ([p.detach() for p in net.parameters()] for net in (one, two, exact))
    assert all(torch.equal(a, b) for a, b in zip(weights, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(weights, other, strict=True))


def test_couplings_of_a_batch_are_warm_until_they_are_forgotten():
    x, y = problems(n=30)
    couplings = EntropicCouplings(replace(STAGE_2, solver="sinkhorn", epsilon=0.02))
    (cold,) = couplings.finish(3, couplings.begin(3, [(x, y)]))
    (warm,) = couplings.finish(3, couplings.begin(3, [(x, y)]))
    assert not torch.equal(cold, warm)
    torch.testing.assert_close(warm, cold, rtol=0, atol=1e-2)
    couplings.forget()
    (again,) = couplings.finish(3, couplings.begin(3, [(x, y)]))
    assert torch.equal(again, cold)
    assert couplings.seconds > 0.0


def test_bad_configurations_are_refused():
    with pytest.raises(ConfigError, match="epsilon: expected a positive number, got 0"):
        replace(STAGE_2, epsilon=0.0)
    with pytest.raises(ConfigError, match="ahead: expected 0 with solver 'sinkhorn', got 1"):
        replace(STAGE_2, solver="sinkhorn", pool=2, ahead=1)
