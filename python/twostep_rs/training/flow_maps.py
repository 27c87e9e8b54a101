"""Training of flow maps, in as many phases as a method has."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import torch

from twostep_rs.config import PairedConfig
from twostep_rs.errors import ConfigError
from twostep_rs.losses.flow_map import FlowMapBatch, velocity_loss
from twostep_rs.models.flow_map import FlowMap
from twostep_rs.models.interpolant import Interpolant
from twostep_rs.training import loop
from twostep_rs.training.device import resolve_device
from twostep_rs.training.fingerprint import fingerprint
from twostep_rs.training.jitter import jittered
from twostep_rs.training.paired import PairedTraining, Recipe
from twostep_rs.training.pairs import Pairs
from twostep_rs.training.phases import Phase, Phases
from twostep_rs.training.two_times import draw_two_times
from twostep_rs.training.workers import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Unpack

    from torch import Tensor

    from twostep_rs.models.features import Scaling
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Options

    # What a phase does, given the maps of the phases before.
    Begin = Callable[[Sequence[FlowMap]], Recipe[FlowMap]]


@dataclass(frozen=True)
class FlowMapConfig(PairedConfig):
    """A flow map: the paths of the particles. Every phase takes ``steps``.

    Attributes:
        interpolant: how paths lead from source to target particles.
        noise: of the paths between their ends, c of c t (1 - t).
        explosion: standard deviation that ``variance-exploding`` paths begin with.
        half: whether networks compute losses and gradients in half precision, with weights in
            single; wide networks then train faster on a GPU.
    """

    interpolant: Literal["linear", "variance-preserving", "variance-exploding"] = "linear"
    noise: float = 0.0
    explosion: float = 10.0
    half: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_at_least(0, "noise")
        self._require_positive("explosion")

    @property
    def path(self) -> Interpolant:
        """The paths."""
        return Interpolant(self.interpolant, self.noise, self.explosion)


def build(scaling: Scaling, config: FlowMapConfig, *, evaluations: int = 1) -> FlowMap:
    """The map that ``config`` describes, with weights from torch's global generator."""
    return FlowMap(
        scaling,
        width=config.width,
        depth=config.depth,
        head=config.head,
        waves=config.waves,
        path=config.path,
        evaluations=evaluations,
    )


def draw(
    config: FlowMapConfig,
    pairs: Pairs,
    random: torch.Generator,
    *,
    longest: float = 1.0,
    backward: bool = False,
    diagonal: float = 0.0,
    shares: bool = False,
) -> FlowMapBatch:
    """Rows of all parameters alike, with fresh times and noise.

    Args:
        config: of the paths.
        pairs: of particles.
        random: source of everything that is random.
        longest: longest interval of time.
        backward: whether half of the maps lead backwards.
        diagonal: share of rows with s = t.
        shares: whether times between s and t are uniform, not in the middle.
    """
    size = config.batch
    source, target, parameter = pairs.draw(size, random)
    equal = round(diagonal * size)
    s, t = draw_two_times(size, random, longest=longest, backward=backward, diagonal=equal)

    def uniform() -> Tensor:
        return torch.rand((size, 1), generator=random, device=random.device)

    return FlowMapBatch(
        source=source,
        target=target,
        noise=_normal(source, random) if config.noise > 0.0 else None,
        parameter=parameter,
        seen=jittered(parameter, pairs.scaling, config.jitter, random),
        s=s,
        t=t,
        diagonal=equal,
        share=uniform() if shares else None,
    )


def velocity(scaling: Scaling, config: FlowMapConfig) -> Recipe[FlowMap]:
    """The phase whose map is the velocity that others are distilled from."""
    return Recipe(
        build=lambda: build(scaling, config),
        draw=functools.partial(draw, config, diagonal=1.0),
        loss=functools.partial(velocity_loss, path=config.path),
        name=("flow map velocity",),
    )


def train(
    phases: Sequence[Begin],
    data: TrainingData,
    config: FlowMapConfig,
    name: str,
    *,
    seed: int,
    **options: Unpack[Options],
) -> FlowMap:
    """Train a map by phases of ``config.steps`` each; other parameters are those of every method.

    Args:
        phases: what each does, given the maps of those before.
        data: clouds of every training parameter.
        config: network, paths and schedule.
        name: of the method.
        seed: fixes everything that is random.
        options: where and how to train.

    Returns:
        The last map with averaged weights, on the device of training.

    Raises:
        ConfigError: paths that are not straight are asked for on a torus.
        InputError: the data do not have the pairs that are asked for.
        DeviceError: the device is not there.
        FileFormatError: the checkpoint is broken or of another training.
        DivergenceError: the loss is not finite any more.
    """
    if data.period is not None and data.origin is None and config.interpolant != "linear":
        raise ConfigError(f"interpolant: expected 'linear' on a torus, got {config.interpolant!r}")
    identity = fingerprint(data, config, seed, name)
    with one_thread():
        # Coupled once for all phases, and not at all where the training is done already.
        device = resolve_device(options.get("device", "cpu"))
        pairs = Pairs(data, config.coupling, device, options.get("threads"))
        begin = functools.partial(_begun, pairs, data, config, seed, options)
        training = Phases(
            [Phase(functools.partial(begin, phase), config.steps) for phase in phases], identity
        )
        loop.run(training, training.steps, **options)
    return cast("FlowMap", training.average)


@dataclass(frozen=True)
class Trained:
    """The ``train`` of a method that learns a map by phases: as for every method.

    Attributes:
        phases: what each phase does, given scaling and configuration.
        name: of the method.
    """

    phases: Callable[[Scaling, Any], Sequence[Begin]]
    name: str

    def __call__(
        self,
        data: TrainingData,
        config: Any,
        *,
        seed: int,
        prior: Prior | None = None,
        **options: Unpack[Options],
    ) -> FlowMap:
        """Train the map, by :func:`train`; fresh source particles are no use to it."""
        del prior
        phases = self.phases(data.scaling(), config)
        return train(phases, data, config, self.name, seed=seed, **options)


def _begun(
    pairs: Pairs,
    data: TrainingData,
    config: FlowMapConfig,
    seed: int,
    options: Options,
    phase: Begin,
    done: Sequence[Any],
) -> PairedTraining[FlowMap]:
    recipe = replace(phase(done), half=config.half)
    return PairedTraining(recipe, data, config, seed, pairs=pairs, **options)


def _normal(like: Tensor, random: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=random, device=like.device)
