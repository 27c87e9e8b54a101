"""Stage I by MeanFlow, a generator of one evaluation."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from twostep_rs.losses.meanflow import MeanFlowBatch, meanflow_loss
from twostep_rs.training import paired
from twostep_rs.training.jitter import jittered
from twostep_rs.training.networks import average_velocity
from twostep_rs.training.times import draw_times

if TYPE_CHECKING:
    from typing import Unpack

    import torch

    from twostep_rs.config import StageOneConfig
    from twostep_rs.models.features import Scaling
    from twostep_rs.models.meanflow import AverageVelocity
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Options
    from twostep_rs.training.pairs import Pairs


def train(
    data: TrainingData,
    config: StageOneConfig,
    *,
    seed: int,
    prior: Prior | None = None,
    **options: Unpack[Options],
) -> AverageVelocity:
    """Train MeanFlow's network on ``data``; as for every method."""
    del prior
    return paired.train(recipe(data.scaling(), config), data, config, seed=seed, **options)


build = average_velocity


def recipe(scaling: Scaling, config: StageOneConfig) -> paired.Recipe[AverageVelocity]:
    """Network, batches and loss of ``config``."""
    return paired.Recipe(
        build=functools.partial(average_velocity, scaling, config),
        draw=functools.partial(_draw, config),
        loss=functools.partial(
            meanflow_loss,
            method=config.method,
            weighting_power=config.weighting_power,
            weighting_offset=config.weighting_offset,
        ),
    )


def _draw(config: StageOneConfig, pairs: Pairs, random: torch.Generator) -> MeanFlowBatch:
    """Rows of all parameters alike, with fresh times."""
    source, target, parameter = pairs.draw(config.batch, random)
    times = draw_times(config, config.batch, random)
    return MeanFlowBatch(
        source=source,
        target=target,
        parameter=parameter,
        seen=jittered(parameter, pairs.scaling, config.jitter, random),
        t=times.t,
        h=times.h,
        equal=times.equal,
    )
