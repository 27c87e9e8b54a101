"""Training of generators whose particles follow a velocity toward the target law."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from twostep_rs.config import MethodConfig
from twostep_rs.errors import InputError
from twostep_rs.losses.matching import MatchingBatch, images, matching_loss
from twostep_rs.models.meanflow import AverageVelocity
from twostep_rs.training import loop
from twostep_rs.training.device import resolve_device
from twostep_rs.training.engine import Engine
from twostep_rs.training.fingerprint import fingerprint
from twostep_rs.training.held_out import HeldOut
from twostep_rs.training.jitter import jittered
from twostep_rs.training.networks import average_velocity
from twostep_rs.training.optimizer import initialised
from twostep_rs.training.seeds import derive, generator
from twostep_rs.training.workers import one_thread

if TYPE_CHECKING:
    from typing import Unpack

    from torch import Tensor

    from twostep_rs.gradient_flows.velocity import Velocity
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Options


@dataclass(frozen=True)
class MatchingConfig(MethodConfig):
    """Stage I by a velocity; a batch has the particles of all parameters.

    Attributes:
        step_size: factor of the velocity in the aims.
        held_out: particles of every cloud that are kept from training, to choose weights by their
            distance; of a small cloud a fifth at most.
        looks: times that the distance is measured.
    """

    step_size: float = 1.0
    held_out: int = 2_000
    looks: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive("step_size")
        self._require_at_least(1, "held_out", "looks")


def train(
    name: str,
    velocity: Velocity,
    data: TrainingData,
    config: MatchingConfig,
    *,
    seed: int,
    **options: Unpack[Options],
) -> AverageVelocity:
    """Train a generator; the parameters are those of every method.

    Every step draws a batch and a second one of source particles, and targets; both go through
    the network as it is, and the first is trained to take the step that its velocity says.

    Returns:
        The network, averaged over steps, as it was last near the particles that were held out; on
        the device of training.

    Raises:
        InputError: the batches are larger than the clouds.
        DeviceError: the device is not there.
        FileFormatError: the checkpoint is broken or of another training.
        DivergenceError: the loss is not finite any more.
        ConvergenceError: plans did not converge.
    """
    with one_thread():
        training = MatchingTraining(name, velocity, data, config, seed, **options)
        loop.run(training, config.steps, **options)
    return training.chosen()


class MatchingTraining(Engine[AverageVelocity]):
    """A training by a velocity, to be advanced by steps."""

    resumable = True

    def __init__(
        self,
        name: str,
        velocity: Velocity,
        data: TrainingData,
        config: MatchingConfig,
        seed: int,
        **options: Unpack[Options],
    ) -> None:
        device, threads = resolve_device(options.get("device", "cpu")), options.get("threads")
        self.fingerprint = fingerprint(data, config, seed, name)
        self._velocity = velocity
        self._config = config
        self._scaling = data.scaling()
        self._size = _particles(data, config)
        self._random = generator(seed, "stage 1", name, device=device)
        held_out = _held_out(data, config)
        kept = data.particles - held_out
        self._source = data.source[:, :kept].to(device)
        self._target = data.target[:, :kept].to(device)
        parameters = torch.tensor(data.parameters, device=device)
        self._parameter = parameters.repeat_interleave(self._size).unsqueeze(1)
        self._period = None if data.period is None else torch.tensor(data.period, device=device)
        self._held_out = HeldOut(data, held_out, device, threads)
        # Read by a recorded step where the velocity cannot be recorded with it.
        self._prepared: MatchingBatch | None = None
        super().__init__(
            initialised(
                functools.partial(average_velocity, self._scaling, config),
                config,
                seed=derive(seed, "stage 1 weights", name),
                device=device,
            ),
            self._rows,
            matching_loss,
            self._random,
            threads=threads,
            compiled=options.get("compiled", False),
        )

    def advance(self) -> None:
        """Take one step, and measure the distance where it is time."""
        if not self._velocity.records:
            self._prepare()
        super().advance()
        every = max(1, self._config.steps // self._config.looks)
        if self.step % every == 0 or self.step == self._config.steps:
            self._held_out.look(self.optimizer.average, self.evaluate)

    def chosen(self) -> AverageVelocity:
        """The averaged network whose weights were kept."""
        self._held_out.choose(self.optimizer.average)
        return self.optimizer.average.eval()

    def metrics(self) -> dict[str, float]:
        """The loss, and the least distance so far."""
        distance = self._held_out.distance
        known = {} if distance == float("inf") else {"held_out": distance}
        return {**super().metrics(), **known}

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {**super().state(), "held_out": self._held_out.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        super().restore(state)
        self._held_out.restore(state["held_out"])

    def _rows(self) -> MatchingBatch:
        return self._draw_rows() if self._prepared is None else self._prepared

    def _prepare(self) -> None:
        """Draw the next batch into the tensors that the step reads."""
        batch = self._draw_rows()
        if self._prepared is None:
            self._prepared = batch
        else:
            self._prepared.copy_(batch)

    @torch.no_grad()
    def _draw_rows(self) -> MatchingBatch:
        source, twin, target = self._samples()
        seen = self._seen()
        moved = self._moved(source, seen)
        second = self._moved(twin, self._seen())
        each = self._workers.map if self._on_cpu else None
        velocity = self._velocity.velocity(moved, second, target, self._period, each=each)
        aim = moved + self._config.step_size * velocity
        return MatchingBatch(source.flatten(0, 1), aim.flatten(0, 1), self._parameter, seen)

    def _samples(self) -> tuple[Tensor, Tensor, Tensor]:
        """Two disjoint samples of source particles, and one of targets, each (k, n, d)."""
        # Ranks of random numbers: rows without repetition, drawn on the device.
        shape = self._source.shape[:2]
        keys = torch.rand(shape, generator=self._random, device=self._random.device)
        rows = keys.argsort(dim=1)[:, : 2 * self._size]
        both = _gather(self._source, rows)
        drawn = torch.randint(
            shape[1],
            (shape[0], self._size),
            generator=self._random,
            device=self._random.device,
        )
        return both[:, : self._size], both[:, self._size :], _gather(self._target, drawn)

    def _seen(self) -> Tensor:
        return jittered(self._parameter, self._scaling, self._config.jitter, self._random)

    def _moved(self, source: Tensor, seen: Tensor) -> Tensor:
        one_step = functools.partial(images, self.optimizer.net)
        moved = self.evaluate(one_step, source.flatten(0, 1), self._parameter, seen)
        return moved.view_as(source)


def _particles(data: TrainingData, config: MatchingConfig) -> int:
    """Particles of each parameter in a batch."""
    size = config.batch // len(data.parameters)
    kept = data.particles - _held_out(data, config)
    if size < 2 or 2 * size > kept:
        raise InputError(
            f"stage_1.batch: expected from {2 * len(data.parameters)} to "
            f"{kept // 2 * len(data.parameters)}, twice which fit in the clouds beside what is "
            f"held out, got {config.batch}"
        )
    return size


def _held_out(data: TrainingData, config: MatchingConfig) -> int:
    """Particles of every cloud that are kept from training: a fifth of a small one at most."""
    return min(config.held_out, data.particles // 5)


def _gather(clouds: Tensor, rows: Tensor) -> Tensor:
    """Rows (k, n) of clouds (k, m, d), (k, n, d)."""
    return clouds.gather(1, rows.unsqueeze(2).expand(-1, -1, clouds.shape[2]))
