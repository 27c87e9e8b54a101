"""Lagrangian self-distillation: the map moves with its own velocity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.losses.self_distillation import lagrangian_self_distillation
from twostep_rs.training import flow_maps, self_distillation
from twostep_rs.training.self_distillation import SelfDistillationConfig

if TYPE_CHECKING:
    from twostep_rs.models.features import Scaling
    from twostep_rs.training.flow_maps import Begin


@dataclass(frozen=True)
class LSDConfig(SelfDistillationConfig):
    """Lagrangian self-distillation: as for every map that is its own teacher."""


def phases(scaling: Scaling, config: LSDConfig) -> list[Begin]:
    """The map alone."""
    return self_distillation.phases(lagrangian_self_distillation, scaling, config, "lsd")


train = flow_maps.Trained(phases, "lsd")
build = flow_maps.build
