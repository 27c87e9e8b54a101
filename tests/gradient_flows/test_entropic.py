"""Entropic costs and the Sinkhorn divergence."""

from __future__ import annotations

import pytest
import torch

import entropic_oracle as gaussians
from twostep_rs.errors import ConvergenceError
from twostep_rs.gradient_flows import entropic
from twostep_rs.gradient_flows.entropic import (
    Pairs,
    converged,
    cost,
    divergence,
    iterated,
    mean_square,
)


def clouds(n=40, m=30, dim=2, problems=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(problems, n, dim, generator=generator, dtype=torch.float64)
    y = 1.0 + 0.5 * torch.randn(problems, m, dim, generator=generator, dtype=torch.float64)
    return x, y


@pytest.mark.parametrize(
    ("mean", "s", "t", "epsilon"), [(0.7, 1.0, 0.4, 0.5), (0.0, 0.6, 1.1, 0.1)]
)
def test_costs_between_gaussians_have_their_closed_form(mean, s, t, epsilon):
    (x, log_a), (y, log_b) = (
        [torch.from_numpy(part).unsqueeze(0) for part in gaussians.grid(*law)]
        for law in ((0.0, s), (mean, t))
    )
    strength = torch.tensor([epsilon], dtype=torch.float64)
    points = x.unsqueeze(2), y.unsqueeze(2)
    pairs = Pairs(*points, strength, log_a=log_a, log_b=log_b)
    found = cost(pairs, converged(pairs, tolerance=1e-10))
    assert found.item() == pytest.approx(gaussians.cost(mean, s, t, epsilon), rel=1e-8)
    found = divergence(*points, strength, log_a=log_a, log_b=log_b, tolerance=1e-10)
    assert found.item() == pytest.approx(gaussians.divergence(mean, s, t, epsilon), rel=1e-7)


def test_the_marginals_of_a_converged_plan_are_the_masses():
    x, y = clouds()
    pairs = Pairs(x, y, torch.tensor([0.1, 1.0], dtype=torch.float64))
    found = converged(pairs, tolerance=1e-9)
    cost = 0.5 * torch.cdist(x, y).square()
    plan = (found.u.unsqueeze(2) + found.v.unsqueeze(1) - cost / pairs.epsilon[:, None, None]).exp()
    plan /= x.shape[1] * y.shape[1]
    torch.testing.assert_close(plan.sum(2), torch.full(x.shape[:2], 1 / x.shape[1]).double())
    residual = (plan.sum(1) - 1 / y.shape[1]).abs().sum(1)
    assert residual.max() <= 1e-9
    torch.testing.assert_close(residual, found.residual, rtol=1e-3, atol=1e-12)


def test_a_cloud_with_itself_converges_in_tens_of_updates_to_one_potential():
    x, _ = clouds(n=100)
    pairs = Pairs(x, x, torch.full((2,), 0.01, dtype=torch.float64))
    assert converged(pairs, tolerance=1e-8).iterations <= 60
    pairs = Pairs(x, x, torch.full((2,), 0.5, dtype=torch.float64))
    found = converged(pairs, tolerance=1e-8)
    turns = converged(Pairs(x, x.clone(), pairs.epsilon), tolerance=1e-8)
    torch.testing.assert_close(cost(pairs, found), cost(pairs, turns), rtol=1e-7, atol=1e-9)


def test_the_divergence_vanishes_between_equal_clouds_alone():
    x, y = clouds(n=30)
    epsilon = torch.full((2,), 0.2, dtype=torch.float64)
    assert divergence(x, x.flip(1), epsilon).abs().max() < 1e-6
    assert divergence(x, y, epsilon).min() > 0.1


@pytest.mark.parametrize("period", [None, torch.tensor([2.0, 3.0], dtype=torch.float64)])
def test_fixed_updates_approach_the_converged_plan(period):
    x, y = clouds()
    pairs = Pairs(x, y, torch.full((2,), 0.3, dtype=torch.float64), period)
    limit = converged(pairs, tolerance=1e-12).v
    limit = limit - limit.mean(dim=1, keepdim=True)
    errors = []
    for iterations in (1, 4, 16, 64):
        v = iterated(pairs, iterations)
        errors.append(float((v - v.mean(dim=1, keepdim=True) - limit).abs().max()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-6


def test_mean_squares_are_those_of_all_pairs():
    x, y = clouds()
    pairs = Pairs(x, y, torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(mean_square(pairs), torch.cdist(x, y).square().mean(dim=(1, 2)))
    # On a torus a sample of them.
    x, y = (torch.rand(1, 4000, 2, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    pairs = Pairs(x, y, torch.ones(1), torch.ones(2))
    assert mean_square(pairs).item() == pytest.approx(2 / 12, rel=0.02)


def test_a_budget_that_runs_out_is_an_error():
    x, y = clouds()
    pairs = Pairs(x, y, torch.full((2,), 1e-3, dtype=torch.float64))
    with pytest.raises(ConvergenceError, match="max_iterations: expected a residual of 1e-09"):
        converged(pairs, tolerance=1e-9, max_iterations=5)


@pytest.mark.parametrize("period", [None, torch.tensor([2.0, 3.0])])
@pytest.mark.parametrize("epsilon", [0.01, 0.3])
def test_a_plan_that_is_kept_takes_the_same_updates(period, epsilon, monkeypatch):
    x, y = (cloud.float() for cloud in clouds(n=200, m=150))
    pairs = Pairs(x, y, torch.full((2,), epsilon), period)
    kept = iterated(pairs, 12)
    monkeypatch.setattr(entropic, "_LARGEST_PLAN", 0)
    torch.testing.assert_close(kept, iterated(pairs, 12), rtol=1e-4, atol=1e-3)
