"""Shortcut models: one step that agrees with two of half the length (Frans et al. 2025)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from twostep_rs.config import PairedConfig
from twostep_rs.losses.shortcut import ShortcutBatch, shortcut_loss
from twostep_rs.training import paired
from twostep_rs.training.jitter import jittered
from twostep_rs.training.networks import average_velocity

if TYPE_CHECKING:
    from typing import Unpack

    from twostep_rs.models.features import Scaling
    from twostep_rs.models.meanflow import AverageVelocity
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Options
    from twostep_rs.training.pairs import Pairs


@dataclass(frozen=True)
class ShortcutConfig(PairedConfig):
    """Shortcut models: the lengths of steps.

    Attributes:
        octaves: steps are 1, 1/2, 1/4, ... so many times halved; the last halves are velocities.
        flow_rows: share of rows without interval, which learn the velocity.
    """

    octaves: int = 7
    flow_rows: float = 0.75

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_at_least(1, "octaves")
        self._require_share("flow_rows")


def train(
    data: TrainingData,
    config: ShortcutConfig,
    *,
    seed: int,
    prior: Prior | None = None,
    **options: Unpack[Options],
) -> AverageVelocity:
    """Train the network on ``data``; as for every method."""
    del prior
    return paired.train(recipe(data.scaling(), config), data, config, seed=seed, **options)


build = average_velocity


def recipe(scaling: Scaling, config: ShortcutConfig) -> paired.Recipe[AverageVelocity]:
    """Network, batches and loss of ``config``."""
    return paired.Recipe(
        build=functools.partial(average_velocity, scaling, config),
        draw=functools.partial(_draw, config),
        loss=shortcut_loss,
        name=("shortcut",),
    )


def _draw(config: ShortcutConfig, pairs: Pairs, random: torch.Generator) -> ShortcutBatch:
    """Rows of all parameters alike; steps of every length, from a multiple of it on."""
    source, target, parameter = pairs.draw(config.batch, random)
    shape = parameter.shape
    octave = torch.randint(config.octaves, shape, generator=random, device=random.device)
    h = 0.5**octave
    uniform = torch.rand(shape, generator=random, device=random.device)
    equal = round(config.flow_rows * config.batch)
    t = (1.0 + (uniform / h).floor().clamp_max(1.0 / h - 1.0)) * h
    t[:equal] = uniform[:equal]
    half = torch.where(octave == config.octaves - 1, 0.0, 0.5 * h)
    h[:equal] = 0.0
    seen = jittered(parameter, pairs.scaling, config.jitter, random)
    return ShortcutBatch(source, target, parameter, seen, t, h, half, equal)
