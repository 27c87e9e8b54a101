"""Eulerian self-distillation: where paths end does not depend on where on them one is."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from twostep_rs.losses.self_distillation import eulerian_self_distillation
from twostep_rs.training import flow_maps, self_distillation
from twostep_rs.training.self_distillation import SelfDistillationConfig

if TYPE_CHECKING:
    from typing import Unpack

    from twostep_rs.models.features import Scaling
    from twostep_rs.models.flow_map import FlowMap
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.flow_maps import Begin
    from twostep_rs.training.loop import Options


@dataclass(frozen=True)
class ESDConfig(SelfDistillationConfig):
    """Eulerian self-distillation: what stands still, and how much large errors count.

    Attributes:
        stop: what carries no gradient: the part of the derivative along the spatial ``gradient``,
            or all of the ``derivative``, as in MeanFlow.
        adaptive_power: p of the weight (1 + e / c)^-p of a squared error e, where c is the mean
            squared velocity of the paths; with 0, as published, trainings may diverge.
    """

    stop: Literal["gradient", "derivative"] = "gradient"
    adaptive_power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_at_least(0, "adaptive_power")


def train(
    data: TrainingData,
    config: ESDConfig,
    *,
    seed: int,
    prior: Prior | None = None,
    **options: Unpack[Options],
) -> FlowMap:
    """Train the map; as for every method."""
    del prior
    return flow_maps.train(
        phases(data.scaling(), config), data, config, "esd", seed=seed, **options
    )


def build(scaling: Scaling, config: ESDConfig) -> FlowMap:
    """The map that ``config`` describes, with weights from torch's global generator."""
    return flow_maps.build(scaling, config)


def phases(scaling: Scaling, config: ESDConfig) -> list[Begin]:
    """The map alone."""
    loss = functools.partial(
        eulerian_self_distillation, stop=config.stop, adaptive_power=config.adaptive_power
    )
    return self_distillation.phases(loss, scaling, config, "esd")
