"""W-Flow: a Wasserstein gradient flow compressed into one step (Candès et al. 2026)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from twostep_rs.errors import ConfigError
from twostep_rs.gradient_flows.velocity import Field
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
class WFlowConfig(MatchingConfig):
    """W-Flow: the energy and its estimate.

    Attributes:
        energy: what the flow descends: the Sinkhorn divergence, debiased W2 squared by exact
            plans, or a discrepancy or relative entropy of kernels.
        self_transport: partners of particles among themselves: a second batch, the batch itself,
            or the batch without the particle itself.
        epsilons: strengths of the entropy, relative to the mean squared distance between
            particles and targets.
        iterations: updates of the potentials.
        normalised: whether velocities are divided by their root mean square.
    """

    energy: Literal["sinkhorn", "exact", "mmd", "kl"] = "sinkhorn"
    self_transport: Literal["two-batch", "one-batch", "others"] = "two-batch"
    epsilons: tuple[float, ...] = (0.01,)
    iterations: int = 60
    normalised: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_at_least(1, "iterations")
        if not self.epsilons or min(self.epsilons) <= 0.0:
            raise ConfigError(f"epsilons: expected positive numbers, got {list(self.epsilons)}")
        if (self.energy, self.self_transport) == ("exact", "others"):
            raise ConfigError(
                "self_transport: expected 'two-batch' or 'one-batch' with energy 'exact', "
                "got 'others'"
            )

    @property
    def field(self) -> Field:
        """The velocity."""
        return Field(
            energy=self.energy,
            self_transport=self.self_transport,
            epsilons=self.epsilons,
            iterations=self.iterations,
            normalised=self.normalised,
        )


def train(
    data: TrainingData,
    config: WFlowConfig,
    *,
    seed: int,
    prior: Prior | None = None,
    **options: Unpack[Options],
) -> AverageVelocity:
    """Train the generator on ``data``; as for every method."""
    del prior
    return matching.train("w-flow", config.field, data, config, seed=seed, **options)


build = average_velocity
