"""SF2M: score and flow matching along Brownian bridges, by the simulator's or optimal pairs."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import torch

from twostep_rs.config import PairedConfig
from twostep_rs.losses.bridge import BridgeBatch, bridge_loss
from twostep_rs.models.bridge import BridgeFlow, Sampler, on_sphere
from twostep_rs.training import paired
from twostep_rs.training.jitter import jittered

if TYPE_CHECKING:
    from typing import Unpack

    from twostep_rs.models.features import Scaling
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Options
    from twostep_rs.training.pairs import Pairs

# Velocity and score of a bridge have no bound at its ends.
_END = 1e-3


@dataclass(frozen=True)
class SF2MConfig(PairedConfig):
    """SF2M: bridge, score and sampler.

    Attributes:
        noise: sigma_b of the bridges, in units of positions.
        sampler: Euler's method or an adaptive one along the flow, or the diffusion.
        evaluations: steps of Euler's method or of the diffusion.
        tolerance: of the adaptive solver, relative.
        score_weight: price of the score's error; the score is learned for the diffusion alone.
        score_error: weighted by the variance of the bridge, or as it is printed, without weight.
        start: at the source particles, or on the unit sphere above them, as printed.
    """

    noise: float = 0.1
    sampler: Sampler = "euler"
    evaluations: int = 100
    tolerance: float = 1e-4
    score_weight: float = 1.0
    score_error: Literal["balanced", "printed"] = "balanced"
    start: Literal["source", "sphere"] = "source"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive("noise", "tolerance", "score_weight")
        self._require_at_least(1, "evaluations")


def train(
    data: TrainingData,
    config: SF2MConfig,
    *,
    seed: int,
    prior: Prior | None = None,
    **options: Unpack[Options],
) -> BridgeFlow:
    """Train velocity and score on ``data``; as for every method."""
    del prior
    scaling = data.scaling()
    if config.start == "sphere":
        data = replace(data, source=on_sphere(data.source))
    return paired.train(recipe(scaling, config), data, config, seed=seed, **options)


def build(scaling: Scaling, config: SF2MConfig) -> BridgeFlow:
    """The networks that ``config`` describes, with weights from torch's global generator."""
    return BridgeFlow(
        scaling,
        noise=config.noise,
        sampler=config.sampler,
        evaluations=config.evaluations,
        tolerance=config.tolerance,
        sphere=config.start == "sphere",
        width=config.width,
        depth=config.depth,
        head=config.head,
        waves=config.waves,
    )


def recipe(scaling: Scaling, config: SF2MConfig) -> paired.Recipe[BridgeFlow]:
    """Networks, batches and loss of ``config``."""
    return paired.Recipe(
        build=lambda: build(scaling, config),
        draw=functools.partial(_draw, config),
        loss=functools.partial(
            bridge_loss, score_weight=config.score_weight, balanced=config.score_error == "balanced"
        ),
        name=("sf2m",),
    )


def _draw(config: SF2MConfig, pairs: Pairs, random: torch.Generator) -> BridgeBatch:
    source, target, parameter = pairs.draw(config.batch, random)
    t = torch.rand(parameter.shape, generator=random, device=random.device)
    normal = torch.randn(source.shape, generator=random, device=random.device)
    seen = jittered(parameter, pairs.scaling, config.jitter, random)
    return BridgeBatch(source, target, parameter, seen, _END + (1.0 - 2.0 * _END) * t, normal)
