"""The differentiable loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import twostep_rs as ts


def clouds(n, m, dim=3):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, dim, generator=generator, dtype=torch.float64, requires_grad=True)
    y = torch.randn(m, dim, generator=generator, dtype=torch.float64, requires_grad=True)
    return x, y


@pytest.mark.parametrize("period", [None, 1.7])
def test_value_is_the_exact_cost(period):
    x, y = clouds(30, 20)
    expected = ts.ot.emd(x, y, period=period).cost
    assert ts.ot.w2_loss(x, y, period=period).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n", "m", "period"), [(8, 8, None), (7, 5, None), (6, 6, 2.3)])
def test_gradcheck_in_both_clouds(n, m, period):
    x, y = clouds(n, m)
    assert torch.autograd.gradcheck(lambda x, y: ts.ot.w2_loss(x, y, period=period), (x, y))


@pytest.mark.parametrize("period", [None, 2.3])
def test_gradcheck_with_weights(period):
    x, y = clouds(6, 5)
    rng = np.random.default_rng(1)
    a, b = rng.random(6), rng.random(5)
    a, b = 2.0 * a / a.sum(), 2.0 * torch.from_numpy(b / b.sum())

    def loss(x, y):
        return ts.ot.w2_loss(x, y, a=a, b=b, period=period)

    assert loss(x, y).item() == pytest.approx(
        ts.ot.emd(x, y, a=a, b=b, period=period).cost, rel=1e-12
    )
    assert torch.autograd.gradcheck(loss, (x, y))


def test_weights_beside_a_plan_are_refused():
    x, y = clouds(3, 3)
    plan = ts.ot.emd(x, y)
    with pytest.raises(ts.errors.InputError, match="a, b: expected none beside a plan"):
        ts.ot.w2_loss(x, y, a=[1.0, 1.0, 1.0], plan=plan)


def test_descent_brings_one_cloud_onto_the_other():
    x, y = clouds(50, 50)
    target = y.detach()
    points = x.detach().clone()
    for _ in range(3):
        points.requires_grad_()
        (gradient,) = torch.autograd.grad(ts.ot.w2_loss(points, target), points)
        points = (points - 25.0 * gradient).detach()
    np.testing.assert_allclose(ts.ot.w2_loss(points, target).item(), 0.0, atol=1e-20)


def test_float32_stays_float32():
    x = torch.randn(10, 2, generator=torch.Generator().manual_seed(1))
    assert ts.ot.w2_loss(x, x.flip(0)).dtype == torch.float32


def test_arrays_are_refused():
    with pytest.raises(ts.errors.DtypeError, match="x: expected a torch tensor, got ndarray"):
        ts.ot.w2_loss(np.zeros((2, 2)), torch.zeros(2, 2))
