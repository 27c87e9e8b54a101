"""Stage II: Deep Particle, a corrector trained on exact couplings."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from twostep_rs.errors import InputError
from twostep_rs.losses.deep_particle import (
    DeepParticleBatch,
    debiased_aim,
    deep_particle_loss,
)
from twostep_rs.models.corrector import Corrector
from twostep_rs.models.meanflow import generate
from twostep_rs.training import loop
from twostep_rs.training.batches import Batches
from twostep_rs.training.capture import Replayed
from twostep_rs.training.couplings import Couplings
from twostep_rs.training.device import resolve_device
from twostep_rs.training.fingerprint import fingerprint, weights_hash
from twostep_rs.training.jitter import jittered
from twostep_rs.training.optimizer import initialised
from twostep_rs.training.seeds import derive, generator
from twostep_rs.training.threads import threads_for

if TYPE_CHECKING:
    from twostep_rs.config import StageTwoConfig
    from twostep_rs.models.features import Scaling
    from twostep_rs.models.meanflow import AverageVelocity
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.checkpoint import CheckpointFile
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Log, Progress


def train(
    stage_1: AverageVelocity,
    data: TrainingData,
    config: StageTwoConfig,
    *,
    seed: int,
    device: str = "cpu",
    prior: Prior | None = None,
    checkpoint: CheckpointFile | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
    threads: int | None = None,
) -> Corrector:
    """Train the corrector of ``stage_1``, which stays as it is.

    A batch holds ``config.batch`` particles of every parameter: source particles carried by
    stage I, and target particles. An exact plan couples them, parameter by parameter, when the
    batch is new and again every ``config.refresh`` steps, from the last plan.

    Args:
        stage_1: the trained average velocity.
        data: clouds of every training parameter.
        config: network and schedule.
        seed: fixes weights and batches.
        device: where to train.
        prior: ``prior(n, seed)`` draws fresh source particles, (n, d); without it they are drawn
            from the clouds.
        checkpoint: where to save the state and to go on from.
        progress: called as ``progress(step, steps)`` after every step.
        log: called with a row of metrics about a hundred times.
        threads: threads of the couplings.

    Returns:
        The network with averaged weights, on ``device``.

    Raises:
        InputError: a batch is larger than the clouds.
        DeviceError: the device is not there.
        FileFormatError: the checkpoint is broken or of another training.
        ConvergenceError: the loss is not finite any more.
    """
    training = _Training(stage_1, data, config, seed, resolve_device(device), prior, threads)
    with threads_for(len(data.parameters) * config.batch):
        loop.run(training, config.steps, checkpoint=checkpoint, progress=progress, log=log)
    return training.optimizer.average.eval()


def build(scaling: Scaling, config: StageTwoConfig) -> Corrector:
    """The network that ``config`` describes, with weights from torch's global generator."""
    return Corrector(
        scaling, width=config.width, depth=config.depth, head=config.head, alpha=config.alpha
    )


class _Training:
    def __init__(
        self,
        stage_1: AverageVelocity,
        data: TrainingData,
        config: StageTwoConfig,
        seed: int,
        device: torch.device,
        prior: Prior | None,
        threads: int | None,
    ) -> None:
        if config.debias and config.source == "clouds" and 2 * config.batch > data.particles:
            # A batch and its twin would share most of their rows, and with them their bias.
            raise InputError(
                f"stage_2.batch: expected at most half of the {data.particles} particles of a "
                f"cloud, got {config.batch}"
            )
        self.fingerprint = fingerprint(data, config, seed, weights_hash(stage_1))
        self._config = config
        self._stage_1 = copy.deepcopy(stage_1).to(device)
        self._scaling = data.scaling()
        self._generator = generator(seed, "stage 2", device=device)
        self.optimizer = initialised(
            lambda: build(self._scaling, config),
            config,
            seed=derive(seed, "stage 2 weights"),
            device=device,
        )
        self._batches = Batches(
            data, config.batch, seed, prior if config.source == "prior" else None, device
        )
        self._to_target = Couplings(threads, data.period)
        self._to_twin = Couplings(threads, data.period)
        parameters = torch.tensor(data.parameters, device=device)
        self._parameter = parameters.repeat_interleave(config.batch).unsqueeze(1)
        # The recorded step reads these two; new batches and couplings are copied into them.
        self._x = Positions.empty(len(self._parameter), data.dim, device)
        self._aim = torch.empty_like(self._x.x)
        self._metrics: dict[str, Tensor] = {}
        self._step = Replayed(self._update, device, [self._generator])

    @property
    def step(self) -> int:
        return self.optimizer.step

    @property
    def resumable(self) -> bool:
        # Between batches. Within one, plans start from the last: where several are optimal, a
        # solve from nothing may find another.
        return self.step % self._config.batch_period == 0

    def advance(self) -> None:
        age = self.step % self._config.batch_period
        if age == 0:
            self._take_batch()
        if age % self._config.refresh == 0:
            self._aim.copy_(self._couple())
        self.optimizer.schedule()
        self._metrics = self._step()

    def metrics(self) -> dict[str, float]:
        metrics = {name: float(value) for name, value in self._metrics.items()}
        seconds = self._to_target.seconds + self._to_twin.seconds
        return {**metrics, "seconds_couplings": seconds}

    def state(self) -> dict[str, Any]:
        return {**self.optimizer.state(), "generator": self._generator.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        self.optimizer.restore(state)
        self._generator.set_state(state["generator"])

    def _update(self) -> dict[str, Tensor]:
        seen = jittered(self._parameter, self._scaling, self._config.jitter, self._generator)
        batch = DeepParticleBatch(self._x.x, self._x.at, self._aim, self._parameter, seen)
        result = deep_particle_loss(
            self.optimizer.net, batch, residual_weight=self._config.residual_weight
        )
        self.optimizer.update(result.loss)
        return {
            "loss": result.loss.detach(),
            "transport": result.transport,
            "residual": result.residual,
        }

    def _take_batch(self) -> None:
        """Take the batch of this step, and carry its particles through stage I."""
        batch = self._batches[self.step // self._config.batch_period]
        self._target = batch.target
        self._x.copy_(self._carried(batch.source))
        if self._config.debias:
            self._twin = self._carried(batch.twin)
        self._to_target.forget()
        self._to_twin.forget()

    def _couple(self) -> Tensor:
        """Aims of the particles by optimal plans from where the corrector takes them now."""
        moved = self._moved(self._x)
        partner = self._to_target.partners(moved, self._target)
        if self._config.debias:
            twin = self._to_twin.partners(moved, self._moved(self._twin))
            partner = debiased_aim(moved, partner, twin)
        return partner.flatten(0, 1)

    def _carried(self, source: Tensor) -> Positions:
        source = source.flatten(0, 1)
        x = generate(self._stage_1, source, self._parameter)
        return Positions(x, source if self._config.inputs == "source" else x)

    @torch.no_grad()
    def _moved(self, positions: Positions) -> Tensor:
        """Where the corrector takes them now, (k, n, d)."""
        moved: Tensor = self.optimizer.net(positions.x, positions.at, self._parameter)
        return moved.view_as(self._target)


class Positions(NamedTuple):
    """Outputs of stage I and where their correction is evaluated, both (n, d)."""

    x: Tensor
    at: Tensor

    @classmethod
    def empty(cls, n: int, dim: int, device: torch.device) -> Positions:
        """Unset positions."""
        return cls(*(torch.empty(n, dim, device=device) for _ in cls._fields))

    def copy_(self, other: Positions) -> None:
        """Overwrite with ``other``, in place."""
        for mine, its in zip(self, other, strict=True):
            mine.copy_(its)
