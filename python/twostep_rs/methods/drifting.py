"""Drifting: a generator that follows attraction and repulsion (Deng et al. 2026)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.errors import ConfigError
from twostep_rs.gradient_flows.drifting import Drift
from twostep_rs.training import matching
from twostep_rs.training.matching import MatchingConfig
from twostep_rs.training.networks import average_velocity

if TYPE_CHECKING:
    from typing import Unpack

    from twostep_rs.models.meanflow import AverageVelocity
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Options


@dataclass(frozen=True)
class DriftingConfig(MatchingConfig):
    """Drifting: the kernel.

    Attributes:
        temperatures: widths of the kernel, relative to the mean distance between particles and
            targets.
        normalised: whether fields are divided by their root mean square.
    """

    temperatures: tuple[float, ...] = (0.05,)
    normalised: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.temperatures or min(self.temperatures) <= 0.0:
            raise ConfigError(
                f"temperatures: expected positive numbers, got {list(self.temperatures)}"
            )


def train(
    data: TrainingData,
    config: DriftingConfig,
    *,
    seed: int,
    prior: Prior | None = None,
    **options: Unpack[Options],
) -> AverageVelocity:
    """Train the generator on ``data``; as for every method."""
    del prior
    drift = Drift(config.temperatures, config.normalised)
    return matching.train("drifting", drift, data, config, seed=seed, **options)


build = average_velocity
