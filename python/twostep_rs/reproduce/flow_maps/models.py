"""The maps that are compared."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twostep_rs.config import Config
    from twostep_rs.training.flow_maps import FlowMapConfig

VELOCITY = "si"


@dataclass(frozen=True)
class Model:
    """A map, how it is trained and sampled.

    Attributes:
        title: as in tables.
        method: by the name of :mod:`twostep_rs.methods`.
        teacher: the model that it is trained from, where there is one.
        jumps: numbers of jumps that it is scored with; none for the velocity, which is integrated.
        changes: of the method's configuration.
    """

    title: str
    method: str
    teacher: str | None = None
    jumps: tuple[int, ...] = (1,)
    changes: Mapping[str, Any] = field(default_factory=dict)

    def config(self, base: Config) -> FlowMapConfig:
        """Network, paths and schedule, with the budget of a run of the checkerboard."""
        config = base.for_method(self.method).stage_1
        return cast("FlowMapConfig", dataclasses.replace(config, **self.changes))


MODELS = {
    VELOCITY: Model("SI", "lmd", jumps=()),
    "lmd": Model("LMD", "lmd", VELOCITY, (1, 2, 4)),
    "eulerian": Model("Eulerian", "eulerian", VELOCITY, (1, 2, 4)),
    "fmm": Model("FMM", "fmm"),
    "fmm-4": Model("FMM, |t - s| < 1/4", "fmm", jumps=(4,), changes={"longest": 0.25}),
    "pfmm": Model("PFMM", "pfmm", "fmm-4"),
    "lsd": Model("LSD", "lsd", jumps=(1, 2, 4)),
}
"""By the name of their jobs; teachers before those that learn from them."""
