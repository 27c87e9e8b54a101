"""Flow matching; with optimal pairs it is OT-CFM."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from twostep_rs.config import PairedConfig
from twostep_rs.losses.flow_matching import FlowMatchingBatch, flow_matching_loss
from twostep_rs.models.velocity import Solver, Velocity
from twostep_rs.training import paired
from twostep_rs.training.jitter import jittered

if TYPE_CHECKING:
    from typing import Unpack

    from twostep_rs.models.features import Scaling
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Options
    from twostep_rs.training.pairs import Pairs


@dataclass(frozen=True)
class FlowMatchingConfig(PairedConfig):
    """Flow matching: the solver.

    Attributes:
        solver: Euler's method in equal steps, or steps that adapt to a tolerance.
        evaluations: steps of Euler's method.
        tolerance: of the adaptive solver, relative.
    """

    solver: Solver = "euler"
    evaluations: int = 100
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_at_least(1, "evaluations")
        self._require_positive("tolerance")


def train(
    data: TrainingData,
    config: FlowMatchingConfig,
    *,
    seed: int,
    prior: Prior | None = None,
    **options: Unpack[Options],
) -> Velocity:
    """Train the velocity on ``data``; as for every method."""
    del prior
    return paired.train(recipe(data.scaling(), config), data, config, seed=seed, **options)


def build(scaling: Scaling, config: FlowMatchingConfig) -> Velocity:
    """The network that ``config`` describes, with weights from torch's global generator."""
    return Velocity(
        scaling,
        width=config.width,
        depth=config.depth,
        head=config.head,
        waves=config.waves,
        solver=config.solver,
        evaluations=config.evaluations,
        tolerance=config.tolerance,
    )


def recipe(scaling: Scaling, config: FlowMatchingConfig) -> paired.Recipe[Velocity]:
    """Network, batches and loss of ``config``."""
    return paired.Recipe(
        build=lambda: build(scaling, config),
        draw=functools.partial(draw, config),
        loss=flow_matching_loss,
        name=("flow-matching",),
    )


def draw(config: PairedConfig, pairs: Pairs, random: torch.Generator) -> FlowMatchingBatch:
    """Rows of all parameters alike, at uniform times."""
    source, target, parameter = pairs.draw(config.batch, random)
    t = torch.rand(parameter.shape, generator=random, device=random.device)
    seen = jittered(parameter, pairs.scaling, config.jitter, random)
    return FlowMatchingBatch(source, target, parameter, seen, t)
