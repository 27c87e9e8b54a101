"""Rectified flow: flow matching, and once more on the pairs of its own flow (Liu et al. 2023)."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from twostep_rs.config import PairedConfig
from twostep_rs.losses.flow_matching import flow_matching_loss
from twostep_rs.methods import flow_matching
from twostep_rs.models.features import in_chart
from twostep_rs.models.velocity import Velocity
from twostep_rs.training import paired
from twostep_rs.training.checkpoint import CheckpointFile
from twostep_rs.training.seeds import derive
from twostep_rs.training.workers import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable
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
        particles: pairs of the first flow, of each parameter.
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
    done = config.first_steps
    build_net = functools.partial(build, data.scaling(), config)
    flow = _train(1, build_net, data, replace(config, steps=done), seed, _first(options, config))
    pairs = _reflowed(flow, data, config, derive(seed, "reflow"), prior)
    second = replace(config, steps=config.steps - done, coupling="paired")
    return _train(2, build_net, pairs, second, seed, _second(options, config))


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


def _train(
    phase: int,
    build_net: Callable[[], Velocity],
    data: TrainingData,
    config: RectifiedFlowConfig,
    seed: int,
    options: Options,
) -> Velocity:
    recipe = paired.Recipe(
        build=build_net,
        draw=functools.partial(flow_matching.draw, config),
        loss=flow_matching_loss,
        name=("rectified-flow", str(phase)),
    )
    return paired.train(recipe, data, config, seed=seed, **options)


def _first(options: Options, config: RectifiedFlowConfig) -> Options:
    """The options of the first flow, which has a checkpoint of its own."""
    changed = options.copy()
    if (checkpoint := options.get("checkpoint")) is not None:
        path = checkpoint.path
        changed["checkpoint"] = CheckpointFile(path.with_name(f"{path.stem}_flow{path.suffix}"))
    if (progress := options.get("progress")) is not None:
        changed["progress"] = lambda step, _: progress(step, config.steps)
    return changed


def _second(options: Options, config: RectifiedFlowConfig) -> Options:
    """The options of the second flow, whose steps are counted on."""
    changed, before = options.copy(), config.first_steps
    if (progress := options.get("progress")) is not None:
        changed["progress"] = lambda step, _: progress(before + step, config.steps)
    if (log := options.get("log")) is not None:
        changed["log"] = lambda row: log({**row, "step": before + row["step"]})
    return changed


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
        count = len(data.parameters) * config.particles
        fresh = torch.from_numpy(prior(count, seed)).to(data.source)
        sources = in_chart(fresh, flow.scaling).view(-1, config.particles, data.dim)
    with one_thread():
        targets = [
            _carried(flow, source, parameter, config.flow_evaluations)
            for source, parameter in zip(sources, data.parameters, strict=True)
        ]
    return replace(data, source=sources, target=torch.stack(targets), paired=True)


def _carried(flow: Velocity, source: Tensor, parameter: float, evaluations: int) -> Tensor:
    place = flow.device
    column = torch.full((len(source), 1), parameter, device=place)
    return flow.transport(source.to(place), column, evaluations=evaluations).cpu()
