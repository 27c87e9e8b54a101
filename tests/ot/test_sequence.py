"""A sequence gives what single solves give."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import twostep_rs as ts


def test_every_plan_of_a_drift_is_the_optimum():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 300, 3))
    solve = ts.ot.EmdSequence(y)
    assert solve.plan is None
    for step in range(6):
        plan = solve(x)
        assert plan is solve.plan
        assert plan.warm == (step > 0)
        np.testing.assert_array_equal(plan.permutation, ts.ot.emd(x, y).permutation)
        x = x + 0.01 * rng.normal(size=x.shape)


def test_a_new_batch_and_a_new_target_are_solved_too():
    rng = np.random.default_rng(1)
    clouds = rng.normal(size=(4, 200, 2))
    solve = ts.ot.EmdSequence(clouds[0])
    solve(clouds[1])
    fresh = solve(5.0 * clouds[2] + 1.0, clouds[3])
    assert fresh.cost == pytest.approx(ts.ot.emd(5.0 * clouds[2] + 1.0, clouds[3]).cost, rel=1e-12)
    # The new target is the target from then on.
    assert solve(clouds[1]).cost == pytest.approx(ts.ot.emd(clouds[1], clouds[3]).cost, rel=1e-12)


def test_weights_periods_and_tensors():
    rng = np.random.default_rng(2)
    x, y = torch.tensor(rng.random((2, 50, 2)))
    a = rng.random(50)
    solve = ts.ot.EmdSequence(y, a=a / a.sum(), period=1.0)
    first, second = solve(x), solve(x + 1e-3)
    assert isinstance(second.mass, torch.Tensor)
    assert second.warm
    expected = ts.ot.emd(x + 1e-3, y, a=a / a.sum(), period=1.0).cost
    assert second.cost == pytest.approx(expected, rel=1e-10)
    assert first.cost != second.cost


def test_bad_input_keeps_the_last_plan():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 20, 2))
    solve = ts.ot.EmdSequence(y)
    plan = solve(x)
    with pytest.raises(ts.errors.InputError, match="x: expected finite values"):
        solve(np.full((20, 2), np.nan), x)
    assert solve.plan is plan
    assert solve.y is y
