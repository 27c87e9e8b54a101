"""Lagrangian map distillation: a flow map from the velocity that paths have on average."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.losses.flow_map import lagrangian_loss
from twostep_rs.training import flow_maps
from twostep_rs.training.flow_maps import FlowMapConfig
from twostep_rs.training.paired import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.models.features import Scaling
    from twostep_rs.models.flow_map import FlowMap
    from twostep_rs.training.flow_maps import Begin


@dataclass(frozen=True)
class LMDConfig(FlowMapConfig):
    """Lagrangian map distillation: the intervals of time.

    Attributes:
        backward: whether the inverse is learned too.
    """

    backward: bool = False


def phases(scaling: Scaling, config: LMDConfig) -> list[Begin]:
    """The velocity, then the map."""
    return [
        lambda _: flow_maps.velocity(scaling, config),
        functools.partial(_distilled, scaling, config),
    ]


def _distilled(scaling: Scaling, config: LMDConfig, done: Sequence[FlowMap]) -> Recipe[FlowMap]:
    return Recipe(
        build=lambda: flow_maps.build(scaling, config),
        draw=functools.partial(flow_maps.draw, config, backward=config.backward),
        loss=functools.partial(lagrangian_loss, path=config.path, teacher=done[-1]),
        name=("lmd",),
    )


train = flow_maps.Trained(phases, "lmd")
build = flow_maps.build
