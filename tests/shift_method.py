"""A method of stage I that learns how far particles move on average, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from twostep_rs.config import MethodConfig
from twostep_rs.methods.registry import Method
from twostep_rs.models.generator import Generator


@dataclass(frozen=True)
class ShiftConfig(MethodConfig):
    """Nothing but the length of the step.

    Attributes:
        factor: of the mean displacement.
    """

    factor: float = 1.0

    def __post_init__(self):
        super().__post_init__()
        self._require_positive("factor")


class Shift(Generator):
    def __init__(self, scaling):
        super().__init__()
        self.scaling = scaling
        self.slope = torch.nn.Parameter(torch.zeros(scaling.dim))

    @torch.no_grad()
    def transport(self, source, parameter, *, evaluations=None, random=None):
        return source + parameter * self.slope


def build(scaling, config):
    return Shift(scaling)


def train(data, config, *, seed, prior=None, **options):
    generator = build(data.scaling(), config)
    moved = (data.target - data.source).mean(1)
    per_unit = (moved / torch.tensor(data.parameters).unsqueeze(1)).mean(0)
    with torch.no_grad():
        generator.slope.copy_(config.factor * per_unit)
    if (log := options.get("log")) is not None:
        log({"step": 1.0, "loss": 1.0})
    return generator.eval()


METHOD = Method(
    name="shift",
    title="Mean shift",
    source="nobody",
    module=__name__,
    settings=f"{__name__}:ShiftConfig",
)
