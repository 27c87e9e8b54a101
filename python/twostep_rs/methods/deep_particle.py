"""Deep Particle alone: stage II straight from the source (Wang, Xin and Zhang 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.config import MethodConfig
from twostep_rs.models.identity import Identity
from twostep_rs.training.device import resolve_device

if TYPE_CHECKING:
    from typing import Unpack

    from twostep_rs.models.features import Scaling
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Options


@dataclass(frozen=True)
class DeepParticleConfig(MethodConfig):
    """Nothing is trained in stage I; its network and budget are those of stage II."""


def train(
    data: TrainingData,
    config: DeepParticleConfig,
    *,
    seed: int,
    prior: Prior | None = None,
    **options: Unpack[Options],
) -> Identity:
    """The identity; as for every method."""
    del seed, prior
    return build(data.scaling(), config).to(resolve_device(options.get("device", "cpu")))


def build(scaling: Scaling, config: DeepParticleConfig) -> Identity:
    """The identity."""
    del config
    return Identity(scaling)
