"""Eulerian map distillation: a flow map whose ends do not depend on where paths begin."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.losses.flow_map import consistency_loss, eulerian_loss
from twostep_rs.training import flow_maps
from twostep_rs.training.flow_maps import FlowMapConfig
from twostep_rs.training.paired import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.models.features import Scaling
    from twostep_rs.models.flow_map import FlowMap
    from twostep_rs.training.flow_maps import Begin


@dataclass(frozen=True)
class EulerianConfig(FlowMapConfig):
    """Eulerian map distillation (EMD in its paper, not the earth mover's distance).

    Attributes:
        backward: whether the inverse is learned too.
        share: of the interval, by which a step along the path replaces the derivative, as in
            consistency distillation; 0 for the derivative itself.
    """

    backward: bool = False
    share: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_share("share")


def phases(scaling: Scaling, config: EulerianConfig) -> list[Begin]:
    """The velocity, then the map."""
    return [
        lambda _: flow_maps.velocity(scaling, config),
        functools.partial(_distilled, scaling, config),
    ]


def _distilled(
    scaling: Scaling, config: EulerianConfig, done: Sequence[FlowMap]
) -> Recipe[FlowMap]:
    loss = (
        functools.partial(consistency_loss, share=config.share) if config.share else eulerian_loss
    )
    return Recipe(
        build=lambda: flow_maps.build(scaling, config),
        draw=functools.partial(flow_maps.draw, config, backward=config.backward),
        loss=functools.partial(loss, path=config.path, teacher=done[-1]),
        name=("eulerian",),
    )


train = flow_maps.Trained(phases, "eulerian")
build = flow_maps.build
