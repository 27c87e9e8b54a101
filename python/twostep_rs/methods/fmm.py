"""Flow map matching: a flow map and its inverse, without a teacher."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.losses.flow_map import matching_loss
from twostep_rs.training import flow_maps
from twostep_rs.training.flow_maps import FlowMapConfig
from twostep_rs.training.paired import Recipe

if TYPE_CHECKING:
    from twostep_rs.models.features import Scaling
    from twostep_rs.models.flow_map import FlowMap
    from twostep_rs.training.flow_maps import Begin


@dataclass(frozen=True)
class FMMConfig(FlowMapConfig):
    """Flow map matching: the intervals of time.

    Attributes:
        longest: longest interval that is learned; a sample takes its inverse, rounded up, of jumps.
    """

    longest: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_share("longest")
        self._require_positive("longest")


def build(scaling: Scaling, config: FMMConfig) -> FlowMap:
    """The map that ``config`` describes, with weights from torch's global generator."""
    return flow_maps.build(scaling, config, evaluations=math.ceil(1.0 / config.longest))


def phases(scaling: Scaling, config: FMMConfig) -> list[Begin]:
    """The map alone."""
    return [lambda _: matched(scaling, config, config.longest)]


def matched(scaling: Scaling, config: FlowMapConfig, longest: float) -> Recipe[FlowMap]:
    """The phase that matches a map over intervals of at most ``longest``."""
    jumps = math.ceil(1.0 / longest)
    return Recipe(
        build=lambda: flow_maps.build(scaling, config, evaluations=jumps),
        draw=functools.partial(flow_maps.draw, config, longest=longest, backward=True),
        loss=functools.partial(matching_loss, path=config.path),
        name=("fmm",),
    )


train = flow_maps.Trained(phases, "fmm")
