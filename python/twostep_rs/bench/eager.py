"""A step of MeanFlow as PyTorch users write it: eager, by ``torch.func.jvp``."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from twostep_rs.methods.meanflow import build
from twostep_rs.training.times import draw_times

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.config import StageOneConfig
    from twostep_rs.training.data import TrainingData


class EagerMeanFlow:
    """The step of stage I, op by op; network, batch and optimiser are the same.

    Args:
        data: clouds of every training parameter.
        config: network, loss and schedule.
        device: where to train.
    """

    def __init__(self, data: TrainingData, config: StageOneConfig, device: torch.device) -> None:
        torch.manual_seed(0)
        self._config = config
        self._net = build(data.scaling(), config).to(device)
        self._average = copy.deepcopy(self._net).requires_grad_(False)
        self._adam = torch.optim.Adam(self._net.parameters(), lr=config.learning_rate, fused=True)
        self._generator = torch.Generator(device).manual_seed(0)
        self._source = data.source.flatten(0, 1).to(device)
        self._target = data.target.flatten(0, 1).to(device)
        parameters = torch.tensor(data.parameters, device=device)
        self._parameter = parameters.repeat_interleave(data.particles).unsqueeze(1)

    def step(self) -> Tensor:
        """Draw a batch, and step; returns the loss."""
        config, net = self._config, self._net
        rows = torch.randint(
            len(self._source),
            (config.batch,),
            generator=self._generator,
            device=self._source.device,
        )
        source, target, parameter = self._source[rows], self._target[rows], self._parameter[rows]
        times = draw_times(config, config.batch, self._generator)
        t, h = times.t, times.h
        z, v = (1 - t) * target + t * source, source - target
        with torch.no_grad():
            w = v if config.method == "meanflow" else net(z, t, torch.zeros_like(h), parameter)
        u, du = torch.func.jvp(  # type: ignore[misc]
            lambda z, r, t: net(z, t, t - r, parameter),
            (z, t - h, t),
            (w, torch.zeros_like(t), torch.ones_like(t)),
        )
        error = (u - (v - h * du).detach()).square().sum(1)
        weight = (error.detach() + config.weighting_offset) ** config.weighting_power
        loss: Tensor = (error / weight).mean()
        self._adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), config.clip)
        self._adam.step()
        with torch.no_grad():
            for average, current in zip(self._average.parameters(), net.parameters(), strict=True):
                average.lerp_(current, 1.0 - config.ema)
        return loss.detach()
