"""Rectified flow: flow matching, and once more on the pairs of its own flow (Liu et al. 2023)."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import torch

from twostep_rs.config import PairedConfig
from twostep_rs.losses.flow_matching import flow_matching_loss
from twostep_rs.methods import flow_matching
from twostep_rs.models.features import in_chart
from twostep_rs.models.velocity import Velocity
from twostep_rs.training import loop, paired
from twostep_rs.training.fingerprint import fingerprint
from twostep_rs.training.phases import Phase, Phases
from twostep_rs.training.seeds import derive
from twostep_rs.training.workers import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Unpack

    from torch import Tensor

    from twostep_rs.models.features import Scaling
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Options


@dataclass(frozen=True)
class RectifiedFlowConfig(PairedConfig):
    """Rectified flow: the steps of both flows and the pairs in between.

    Attributes:
        first: share of the steps that the first flow takes.
        particles: pairs of the first flow, of each parameter; at most as many as a training cloud
            holds, so that no method sees more.
        flow_evaluations: steps of Euler's method along the first flow.
        evaluations: steps along the second flow, whose paths are nearly straight.
    """

    first: float = 0.5
    particles: int = 15_000
    flow_evaluations: int = 100
    evaluations: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_share("first")
        self._require_at_least(2, "steps")
        self._require_at_least(1, "particles", "flow_evaluations", "evaluations")

    @property
    def first_steps(self) -> int:
        """Optimiser steps of the first flow; at least one is left for the second."""
        return min(max(1, round(self.first * self.steps)), self.steps - 1)


def train(
    data: TrainingData,
    config: RectifiedFlowConfig,
    *,
    seed: int,
    prior: Prior | None = None,
    **options: Unpack[Options],
) -> Velocity:
    """Train two flows, one after the other; as for every method.

    The second learns from fresh particles of ``prior``, or those of the clouds, and where the
    first carries them.
    """
    build_net = functools.partial(build, data.scaling(), config)

    def straight(_: Sequence[Any]) -> paired.PairedTraining[Velocity]:
        chosen = replace(config, steps=config.first_steps)
        return _flow(1, build_net, data, chosen, seed, options)

    def straighter(done: Sequence[Any]) -> paired.PairedTraining[Velocity]:
        pairs = _reflowed(done[0], data, config, derive(seed, "reflow"), prior)
        chosen = replace(config, steps=config.steps - config.first_steps, coupling="paired")
        return _flow(2, build_net, pairs, chosen, seed, options)

    first, second = config.first_steps, config.steps - config.first_steps
    with one_thread():
        training = Phases(
            [Phase(straight, first), Phase(straighter, second)],
            fingerprint(data, config, seed, "rectified-flow"),
        )
        loop.run(training, training.steps, **options)
    return cast("Velocity", training.average)


def build(scaling: Scaling, config: RectifiedFlowConfig) -> Velocity:
    """The network that ``config`` describes, with weights from torch's global generator."""
    return Velocity(
        scaling,
        width=config.width,
        depth=config.depth,
        head=config.head,
        waves=config.waves,
        evaluations=config.evaluations,
    )


def _flow(
    phase: int,
    build_net: Callable[[], Velocity],
    data: TrainingData,
    config: RectifiedFlowConfig,
    seed: int,
    options: Options,
) -> paired.PairedTraining[Velocity]:
    recipe = paired.Recipe(
        build=build_net,
        draw=functools.partial(flow_matching.draw, config),
        loss=flow_matching_loss,
        name=("rectified-flow", str(phase)),
    )
    return paired.PairedTraining(recipe, data, config, seed, **options)


def _reflowed(
    flow: Velocity,
    data: TrainingData,
    config: RectifiedFlowConfig,
    seed: int,
    prior: Prior | None,
) -> TrainingData:
    """Source particles of every parameter and where ``flow`` carries them."""
    sources = data.source
    if prior is not None:
        count = min(config.particles, data.particles)
        fresh = torch.from_numpy(prior(len(data.parameters) * count, seed)).to(data.source)
        sources = in_chart(fresh, flow.scaling).view(-1, count, data.dim)
    targets = [
        _carried(flow, source, parameter, config.flow_evaluations)
        for source, parameter in zip(sources, data.parameters, strict=True)
    ]
    return replace(data, source=sources, target=torch.stack(targets), paired=True)


def _carried(flow: Velocity, source: Tensor, parameter: float, evaluations: int) -> Tensor:
    place = flow.device
    column = torch.full((len(source), 1), parameter, device=place)
    return flow.transport(source.to(place), column, evaluations=evaluations).cpu()
