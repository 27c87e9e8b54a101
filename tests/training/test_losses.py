from __future__ import annotations

import pytest
import torch

import twostep_rs as ts
from twostep_rs.losses.deep_particle import DeepParticleBatch, debiased_aim, deep_particle_loss
from twostep_rs.losses.meanflow import MeanFlowBatch, meanflow_loss
from twostep_rs.models.corrector import Corrector
from twostep_rs.models.features import Scaling
from twostep_rs.models.meanflow import AverageVelocity

SCALING = Scaling((0.0, 0.0), (1.0, 1.0), (1.0, 4.0))


def net(seed=0):
    torch.manual_seed(seed)
    return AverageVelocity(SCALING, width=12, depth=2, head="affine").double()


def batch(n=10, equal=5):
    torch.manual_seed(3)
    source, target = torch.randn(2, n, 2).double()
    t = torch.rand(n, 1).double()
    h = t * torch.rand(n, 1).double()
    h[:equal] = 0.0
    parameter = 1.0 + 3.0 * torch.rand(n, 1).double()
    return MeanFlowBatch(source, target, parameter, parameter.flip(0), t, h, equal)


def textbook(net, batch, method, power, offset):
    """The loss by the generic Jacobian-vector product, for every row alike."""
    z = (1 - batch.t) * batch.target + batch.t * batch.source
    v = batch.source - batch.target
    rest = batch.parameter, batch.seen

    def u(z, r, t):
        return net(z, t, t - r, *rest)

    r = batch.t - batch.h
    w = v if method == "meanflow" else net(z, batch.t, torch.zeros_like(r), *rest).detach()
    value, derivative = torch.func.jvp(
        u, (z, r, batch.t), (w, torch.zeros_like(r), torch.ones_like(r))
    )
    error = (value - (v - batch.h * derivative).detach()).square().sum(1)
    return (error / (error.detach() + offset) ** power).mean()


@pytest.mark.parametrize("method", ["meanflow", "imf"])
@pytest.mark.parametrize("power", [0.0, 0.5])
def test_meanflow_loss_and_gradient_equal_the_textbook(method, power):
    found = meanflow_loss(
        net(), batch(), method=method, weighting_power=power, weighting_offset=0.01
    )
    model = net()
    expected = textbook(model, batch(), method, power, 0.01)
    torch.testing.assert_close(found.loss, expected, rtol=1e-12, atol=1e-14)

    ours = net()
    meanflow_loss(
        ours, batch(), method=method, weighting_power=power, weighting_offset=0.01
    ).loss.backward()
    expected.backward()
    for mine, its in zip(ours.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, its.grad, rtol=1e-10, atol=1e-13)


def test_with_optimal_partners_the_loss_is_w2_squared_and_so_is_its_gradient():
    torch.manual_seed(0)
    corrector = Corrector(SCALING, width=8, depth=1, head="plain", alpha=1.0).double()
    x, y = torch.randn(2, 30, 2).double()
    parameter = torch.full((30, 1), 2.0).double()
    plan = ts.ot.emd(x, y)
    rows = DeepParticleBatch(x, x, y[plan.permutation], parameter, parameter)
    found = deep_particle_loss(corrector, rows, residual_weight=0.0)
    assert found.loss.item() == pytest.approx(plan.cost, rel=1e-12)
    found.loss.backward()
    gradient = corrector.head.linear.bias.grad.clone()
    corrector.zero_grad()
    ts.ot.w2_loss(corrector(x, x, parameter), y).backward()
    torch.testing.assert_close(gradient, corrector.head.linear.bias.grad)


def test_debiased_aims_rest_where_laws_agree_and_plain_ones_contract():
    """Radial pull on uniform discs, mean over many small batches: three standard errors."""
    random = torch.Generator().manual_seed(5)

    def disc(k, n):
        angle = 2 * torch.pi * torch.rand(k, n, generator=random)
        radius = torch.rand(k, n, generator=random).sqrt()
        return torch.stack([radius * angle.cos(), radius * angle.sin()], 2)

    k, n = 400, 30
    x, y, twin = disc(k, n), disc(k, n), disc(k, n)

    def partners(other):
        plans = ts.ot.emd_batch(list(x), list(other))
        return torch.stack([o[p.permutation] for o, p in zip(other, plans, strict=True)])

    def pull(aim):
        mean = ((aim - x) * x).sum(2).mean(1)
        return mean.mean(), mean.std() / k**0.5

    plain, error = pull(partners(y))
    assert plain < -6 * error
    debiased, error = pull(debiased_aim(x, partners(y), partners(twin)))
    assert debiased.abs() < 3 * error
