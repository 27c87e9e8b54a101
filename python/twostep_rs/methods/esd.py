"""Eulerian self-distillation: where paths end does not depend on where on them one is."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from twostep_rs.losses.self_distillation import eulerian_self_distillation
from twostep_rs.training import flow_maps, self_distillation
from twostep_rs.training.self_distillation import SelfDistillationConfig

if TYPE_CHECKING:
    from twostep_rs.models.features import Scaling
    from twostep_rs.training.flow_maps import Begin


@dataclass(frozen=True)
class ESDConfig(SelfDistillationConfig):
    """Eulerian self-distillation: what stands still, and how much large errors count.

    Attributes:
        stop: what carries no gradient: the ``velocity``, so that the residual is minimised; the
            part of the derivative along the spatial ``gradient``, as its authors do with large
            batches; or all of the ``derivative``, as in MeanFlow.
        adaptive_power: p of the weight (1 + e / c)^-p of a squared error e, where c is the sum of
            the variances of the particles; 0 counts all errors alike.
    """

    stop: Literal["velocity", "gradient", "derivative"] = "velocity"
    adaptive_power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_at_least(0, "adaptive_power")


def phases(scaling: Scaling, config: ESDConfig) -> list[Begin]:
    """The map alone."""
    loss = functools.partial(
        eulerian_self_distillation,
        stop=config.stop,
        adaptive_power=config.adaptive_power,
        unit=sum(scale * scale for scale in scaling.scale),
    )
    return self_distillation.phases(loss, scaling, config, "esd")


train = flow_maps.Trained(phases, "esd")
build = flow_maps.build
