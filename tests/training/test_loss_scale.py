"""Steps of half precision whose gradient is not finite are not taken."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from twostep_rs.losses.rows import Rows
from twostep_rs.training import loss_scale
from twostep_rs.training.engine import Engine
from twostep_rs.training.optimizer import Optimizer


@dataclass
class Batch(Rows):
    x: torch.Tensor


@dataclass
class Loss:
    loss: torch.Tensor


def engine(sizes):
    torch.manual_seed(0)
    net = nn.Linear(3, 2)
    optimizer = Optimizer(net, learning_rate=0.1, steps=100, clip=1.0, ema=0.9)
    drawn = iter(sizes)
    return Engine(
        optimizer,
        lambda: Batch(torch.full((4, 3), next(drawn))),
        lambda net, rows: Loss(net(rows.x).float().square().mean()),
        torch.Generator(),
        threads=1,
        half=True,
    )


def test_a_gradient_that_overflows_changes_nothing_but_the_factor():
    training = engine([1.0, 1e5, 1.0])
    training.advance()
    before = [weight.detach().clone() for weight in training.optimizer.net.parameters()]
    training.advance()
    after = list(training.optimizer.net.parameters())
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert training.state()["loss_scale"]["factor"] == 2048.0
    training.advance()
    assert not torch.equal(before[0], after[0])
    assert all(weight.isfinite().all() for weight in after)


def test_the_factor_grows_where_nothing_overflows(monkeypatch):
    monkeypatch.setattr(loss_scale, "_INTERVAL", 2)
    training = engine([1.0] * 4)
    for _ in range(4):
        training.advance()
    assert training.state()["loss_scale"]["factor"] == 4 * 4096.0


def test_gradients_come_back_to_their_size():
    scale = loss_scale.LossScale(torch.device("cpu"))
    gradient = torch.tensor([1.0, -3.0]) * scale.factor
    scale.unscale([gradient])
    assert gradient.tolist() == [1.0, -3.0]
    assert scale.overflow == 0.0
    scale.unscale([torch.tensor([1.0, float("nan")])])
    assert scale.overflow == 1.0
    assert scale.factor == pytest.approx(2048.0)
