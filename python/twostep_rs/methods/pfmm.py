"""Progressive flow map matching: a map of many jumps becomes one of a single jump."""

from __future__ import annotations

import copy
import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.losses.flow_map import progressive_loss
from twostep_rs.methods.fmm import matched
from twostep_rs.training import flow_maps
from twostep_rs.training.flow_maps import FlowMapConfig
from twostep_rs.training.paired import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.models.features import Scaling
    from twostep_rs.models.flow_map import FlowMap
    from twostep_rs.training.flow_maps import Begin


@dataclass(frozen=True)
class PFMMConfig(FlowMapConfig):
    """Progressive flow map matching: how many jumps, and how they are joined.

    Attributes:
        jumps: from source to target, of the map that is matched first; it learns no longer ones.
        pairwise: whether two jumps at a time are joined, in as many phases as it takes, and not
            all at once.
        backward: whether the inverse is kept too.
    """

    jumps: int = 4
    pairwise: bool = False
    backward: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_at_least(2, "jumps")


def phases(scaling: Scaling, config: PFMMConfig) -> list[Begin]:
    """A map of many jumps, then those that join them."""
    joins = [(config.jumps, 1.0)]
    if config.pairwise:
        doublings = range(1, math.ceil(math.log2(config.jumps)) + 1)
        joins = [(2, min(2.0**k / config.jumps, 1.0)) for k in doublings]
    return [
        lambda _: matched(scaling, config, 1.0 / config.jumps),
        *(functools.partial(_joined, config, *join) for join in joins),
    ]


def _joined(
    config: PFMMConfig, jumps: int, longest: float, done: Sequence[FlowMap]
) -> Recipe[FlowMap]:
    def begun() -> FlowMap:
        net = copy.deepcopy(done[-1]).requires_grad_(requires_grad=True)
        net.evaluations = 1
        return net.train()

    return Recipe(
        build=begun,
        draw=functools.partial(flow_maps.draw, config, longest=longest, backward=config.backward),
        loss=functools.partial(progressive_loss, path=config.path, teacher=done[-1], jumps=jumps),
        name=("pfmm", str(len(done))),
    )


train = flow_maps.Trained(phases, "pfmm")
build = flow_maps.build
