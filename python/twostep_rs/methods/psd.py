"""Progressive self-distillation: one jump of the map is two of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from twostep_rs.losses.self_distillation import progressive_self_distillation
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
class PSDConfig(SelfDistillationConfig):
    """Progressive self-distillation: where the two jumps meet.

    Attributes:
        middle: in the middle of the interval (the loss of shortcut models), or anywhere in it.
    """

    middle: Literal["half", "uniform"] = "half"


def train(
    data: TrainingData,
    config: PSDConfig,
    *,
    seed: int,
    prior: Prior | None = None,
    **options: Unpack[Options],
) -> FlowMap:
    """Train the map; as for every method."""
    del prior
    return flow_maps.train(
        phases(data.scaling(), config), data, config, "psd", seed=seed, **options
    )


def build(scaling: Scaling, config: PSDConfig) -> FlowMap:
    """The map that ``config`` describes, with weights from torch's global generator."""
    return flow_maps.build(scaling, config)


def phases(scaling: Scaling, config: PSDConfig) -> list[Begin]:
    """The map alone."""
    return self_distillation.phases(
        progressive_self_distillation, scaling, config, "psd", shares=config.middle == "uniform"
    )
