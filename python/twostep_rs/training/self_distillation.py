"""Training of flow maps that are their own teachers."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.training import flow_maps
from twostep_rs.training.flow_maps import FlowMapConfig
from twostep_rs.training.paired import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from twostep_rs.losses.self_distillation import SelfDistillationLoss
    from twostep_rs.models.features import Scaling
    from twostep_rs.training.flow_maps import Begin


@dataclass(frozen=True)
class SelfDistillationConfig(FlowMapConfig):
    """A flow map that is its own teacher: the law of the times.

    Attributes:
        equal_times: share of rows whose interval is empty; they learn the velocity.
        backward: whether the inverse is learned too.
    """

    equal_times: float = 0.75
    backward: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_share("equal_times")


def phases(
    loss: Callable[..., SelfDistillationLoss],
    scaling: Scaling,
    config: SelfDistillationConfig,
    name: str,
    *,
    shares: bool = False,
) -> list[Begin]:
    """The map alone.

    Args:
        loss: of the map and a batch, and of ``path``.
        scaling: where the training data lie.
        config: network, paths, times and schedule.
        name: of the method.
        shares: whether times between s and t are uniform, not in the middle.
    """
    recipe = Recipe(
        build=lambda: flow_maps.build(scaling, config),
        draw=functools.partial(
            flow_maps.draw,
            config,
            backward=config.backward,
            diagonal=config.equal_times,
            shares=shares,
        ),
        loss=functools.partial(loss, path=config.path),
        name=(name,),
    )
    return [lambda _: recipe]
