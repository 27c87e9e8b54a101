"""The sampler of minibatch pairs, against linear sum assignment and as torchcfm calls it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

import twostep_rs as ts
from twostep_rs.errors import InputError, ShapeError


def batches(n=60, shape=(2,), seed=0):
    return torch.randn(2, n, *shape, generator=torch.Generator().manual_seed(seed))


def cost(x, y):
    return (x - y).flatten(1).square().sum().item()


@pytest.mark.parametrize("shape", [(1,), (2,), (3, 4)])
def test_pairs_are_optimal_ordered_and_without_repeats(shape):
    x0, x1 = batches(shape=shape)
    a, b = ts.ot.OTPlanSampler().sample_plan(x0, x1)
    assert a is x0
    squares = torch.cdist(x0.flatten(1), x1.flatten(1)).square()
    rows, columns = linear_sum_assignment(squares)
    assert cost(a, b) == pytest.approx(squares[rows, columns].sum().item(), rel=1e-5)
    assert torch.equal(b.flatten(1).sort(0).values, x1.flatten(1).sort(0).values)


def test_arrays_come_back_as_arrays():
    x0, x1 = batches().numpy()
    a, b = ts.ot.OTPlanSampler().sample_plan(x0, x1)
    assert isinstance(b, np.ndarray)
    assert a.shape == b.shape == (60, 2)


def test_the_plan_is_uniform_over_a_permutation():
    x0, x1 = batches()
    sampler = ts.ot.OTPlanSampler()
    plan = sampler.get_map(x0, x1)
    assert np.array_equal(plan.argmax(axis=1), sampler.permutation(x0, x1))
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 60)
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 60)


def test_with_replacement_pairs_are_drawn_from_the_plan():
    x0, x1 = batches()
    sampler = ts.ot.OTPlanSampler(replace=True, seed=3)
    partner = dict(zip(x0[:, 0].tolist(), x1[sampler.permutation(x0, x1), 0].tolist(), strict=True))
    a, b = sampler.sample_plan(x0, x1)
    assert [partner[value] for value in a[:, 0].tolist()] == b[:, 0].tolist()
    assert 30 < len(set(a[:, 0].tolist())) < 48  # 60 (1 - 1/e) = 38 on average
    same = ts.ot.OTPlanSampler(replace=True, seed=3).sample_plan(x0, x1)
    assert torch.equal(a, same[0])
    assert torch.equal(b, same[1])
    assert ts.ot.OTPlanSampler().sample_plan(x0, x1, replace=True)[0] is not x0


def test_conditions_are_respected():
    """Within every label pairs are optimal, and no pair has two labels."""
    x0, x1 = batches(90)
    labels = torch.arange(90) % 3
    x1 = x1 + 10.0 * torch.tensor([1.0, -1.0, 0.0])[labels].unsqueeze(1)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(1))
    sampler = ts.ot.OTPlanSampler(conditional=True)
    a, b, ya, yb = sampler.sample_plan_with_labels(x0, x1[order], labels, labels[order])
    assert torch.equal(ya, yb)
    assert torch.equal(ya, labels)
    for label in range(3):
        mine = labels == label
        squares = torch.cdist(x0[mine], x1[mine]).square()
        best = squares[linear_sum_assignment(squares)].sum().item()
        assert cost(a[mine], b[mine]) == pytest.approx(best, rel=1e-5)
    # Without labels of the sources, source i takes that of target i.
    *_, none, yb = sampler.sample_plan_with_labels(x0, x1, None, labels)
    assert none is None
    assert torch.equal(yb, labels)


def test_labels_are_carried_along_where_they_are_no_conditions():
    x0, x1 = batches()
    labels = torch.arange(60)
    _, b, none, yb = ts.ot.OTPlanSampler().sample_plan_with_labels(x0, x1, None, labels)
    assert none is None
    assert torch.equal(x1[yb], b)


def test_trajectories_follow_the_plans():
    x = torch.stack([batches()[0] + shift for shift in (0.0, 0.1, 0.2)], dim=1)
    shuffled = torch.stack([x[torch.randperm(60), t] if t else x[:, t] for t in range(3)], dim=1)
    torch.testing.assert_close(ts.ot.OTPlanSampler().sample_trajectory(shuffled), x)


def test_pairs_on_a_torus_are_nearest_across_the_edge():
    x0, x1 = np.array([[0.1], [3.0]]), np.array([[3.1], [5.9]])
    _, b = ts.ot.OTPlanSampler(period=6.0).sample_plan(x0, x1)
    assert b.ravel().tolist() == [5.9, 3.1]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ts.ot.OTPlanSampler("sinkhorn"), InputError, "method: expected 'exact'"),
        (
            lambda: ts.ot.OTPlanSampler().sample_plan(torch.zeros(3, 2), torch.zeros(4, 2)),
            ShapeError,
            r"x1: expected shape \(3, 2\), got \(4, 2\)",
        ),
        (
            lambda: ts.ot.OTPlanSampler().sample_plan(torch.zeros(0, 2), torch.zeros(0, 2)),
            ShapeError,
            "x0: expected shape",
        ),
        (
            lambda: ts.ot.OTPlanSampler(conditional=True).sample_plan_with_labels(
                torch.zeros(2, 1), torch.zeros(2, 1), [0, 0], [0, 1]
            ),
            InputError,
            "y0: expected as many sources as targets of every label, got 2 and 1 of one",
        ),
        (
            lambda: ts.ot.OTPlanSampler(conditional=True).sample_plan_with_labels(
                torch.zeros(2, 1), torch.zeros(2, 1), None, [0]
            ),
            ShapeError,
            r"y0: expected shape \(2, ...\), got \(1,\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
