"""Stage I: MeanFlow, a generator of one evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from twostep_rs.losses.meanflow import MeanFlowBatch, meanflow_loss
from twostep_rs.models.features import nearest_image
from twostep_rs.models.meanflow import AverageVelocity
from twostep_rs.training import loop
from twostep_rs.training.capture import Replayed
from twostep_rs.training.device import resolve_device
from twostep_rs.training.fingerprint import fingerprint
from twostep_rs.training.jitter import jittered
from twostep_rs.training.optimizer import initialised
from twostep_rs.training.seeds import derive, generator
from twostep_rs.training.threads import threads_for
from twostep_rs.training.times import draw_times

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.config import StageOneConfig
    from twostep_rs.models.features import Scaling
    from twostep_rs.training.checkpoint import CheckpointFile
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Log, Progress


def train(
    data: TrainingData,
    config: StageOneConfig,
    *,
    seed: int,
    device: str = "cpu",
    checkpoint: CheckpointFile | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
    threads: int | None = None,
) -> AverageVelocity:
    """Train MeanFlow's network on ``data``.

    Args:
        data: clouds of every training parameter.
        config: network, loss and schedule.
        seed: fixes weights, batches and times.
        device: where to train.
        checkpoint: where to save the state and to go on from.
        progress: called as ``progress(step, steps)`` after every step.
        log: called with a row of metrics about a hundred times.
        threads: threads of the coupling ``exact``.

    Returns:
        The network with averaged weights, on ``device``.

    Raises:
        DeviceError: the device is not there.
        FileFormatError: the checkpoint is broken or of another training.
        ConvergenceError: the loss is not finite any more.
    """
    training = _Training(data, config, seed, resolve_device(device), threads)
    with threads_for(config.batch):
        loop.run(training, config.steps, checkpoint=checkpoint, progress=progress, log=log)
    return training.optimizer.average.eval()


def build(scaling: Scaling, config: StageOneConfig) -> AverageVelocity:
    """The network that ``config`` describes, with weights from torch's global generator."""
    return AverageVelocity(scaling, width=config.width, depth=config.depth, head=config.head)


class _Training:
    def __init__(
        self,
        data: TrainingData,
        config: StageOneConfig,
        seed: int,
        device: torch.device,
        threads: int | None,
    ) -> None:
        self.fingerprint = fingerprint(data, config, seed)
        self._config = config
        self._scaling = data.scaling()
        self._generator = generator(seed, "stage 1", device=device)
        self.optimizer = initialised(
            lambda: build(self._scaling, config),
            config,
            seed=derive(seed, "stage 1 weights"),
            device=device,
        )
        coupled = data.coupled(config.coupling, threads=threads)
        self._source = coupled.source.reshape(-1, data.dim).to(device)
        self._target = coupled.target.reshape(-1, data.dim).to(device)
        self._parameters = torch.tensor(data.parameters, device=device)
        self._particles = data.particles
        whole = data.period is not None and data.origin is None
        self._period = torch.tensor(data.period, device=device) if whole else None
        self._metrics: dict[str, Tensor] = {}
        self._step = Replayed(self._update, device, [self._generator])

    @property
    def step(self) -> int:
        return self.optimizer.step

    @property
    def resumable(self) -> bool:
        return True

    def advance(self) -> None:
        self.optimizer.schedule()
        self._metrics = self._step()

    def _update(self) -> dict[str, Tensor]:
        result = meanflow_loss(
            self.optimizer.net,
            self._draw(),
            method=self._config.method,
            weighting_power=self._config.weighting_power,
            weighting_offset=self._config.weighting_offset,
        )
        self.optimizer.update(result.loss)
        return {"loss": result.loss.detach(), "error": result.error}

    def metrics(self) -> dict[str, float]:
        return {name: float(value) for name, value in self._metrics.items()}

    def state(self) -> dict[str, Any]:
        return {**self.optimizer.state(), "generator": self._generator.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        self.optimizer.restore(state)
        self._generator.set_state(state["generator"])

    def _draw(self) -> MeanFlowBatch:
        """Rows of all parameters alike, by the coupling, with fresh times."""
        size = self._config.batch
        target = self._integers(len(self._target), size)
        if self._config.coupling == "independent":
            # Any source row of the same parameter.
            source = target - target % self._particles + self._integers(self._particles, size)
        else:
            source = target
        times = draw_times(self._config, size, self._generator)
        parameter = self._parameters[target // self._particles].unsqueeze(1)
        ends = self._target[target]
        return MeanFlowBatch(
            # On a torus that is not cut the path is the shortest.
            source=nearest_image(self._source[source], ends, self._period),
            target=ends,
            parameter=parameter,
            seen=jittered(parameter, self._scaling, self._config.jitter, self._generator),
            t=times.t,
            h=times.h,
            equal=times.equal,
        )

    def _integers(self, high: int, size: int) -> Tensor:
        device = self._target.device
        return torch.randint(high, (size,), generator=self._generator, device=device)
