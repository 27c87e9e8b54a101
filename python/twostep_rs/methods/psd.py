"""Progressive self-distillation: one jump of the map is two of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from twostep_rs.losses.self_distillation import progressive_self_distillation
from twostep_rs.training import flow_maps, self_distillation
from twostep_rs.training.self_distillation import SelfDistillationConfig

if TYPE_CHECKING:
    from twostep_rs.models.features import Scaling
    from twostep_rs.training.flow_maps import Begin


@dataclass(frozen=True)
class PSDConfig(SelfDistillationConfig):
    """Progressive self-distillation: where the two jumps meet.

    Attributes:
        middle: in the middle of the interval (the loss of shortcut models), or anywhere in it.
    """

    middle: Literal["half", "uniform"] = "half"


def phases(scaling: Scaling, config: PSDConfig) -> list[Begin]:
    """The map alone."""
    return self_distillation.phases(
        progressive_self_distillation, scaling, config, "psd", shares=config.middle == "uniform"
    )


train = flow_maps.Trained(phases, "psd")
build = flow_maps.build
