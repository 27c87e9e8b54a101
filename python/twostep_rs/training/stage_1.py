"""Stage I: MeanFlow, a generator of one evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from twostep_rs.losses.meanflow import MeanFlowBatch, MeanFlowLoss, meanflow_loss
from twostep_rs.models.features import nearest_image
from twostep_rs.models.meanflow import AverageVelocity
from twostep_rs.training import loop
from twostep_rs.training.device import resolve_device
from twostep_rs.training.engine import Engine
from twostep_rs.training.fingerprint import fingerprint
from twostep_rs.training.jitter import jittered
from twostep_rs.training.optimizer import initialised
from twostep_rs.training.seeds import derive, generator
from twostep_rs.training.times import draw_times
from twostep_rs.training.workers import one_thread

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
    compiled: bool = False,
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
        threads: threads of networks and couplings; the package default if not given. The result
            is the same for any number.
        compiled: whether torch.compile compiles the steps, which takes some seconds first.

    Returns:
        The network with averaged weights, on ``device``.

    Raises:
        DeviceError: the device is not there.
        FileFormatError: the checkpoint is broken or of another training.
        ConvergenceError: the loss is not finite any more.
    """
    place = resolve_device(device)
    with one_thread():
        training = _Training(data, config, seed, place, threads=threads, compiled=compiled)
        loop.run(training, config.steps, checkpoint=checkpoint, progress=progress, log=log)
    return training.optimizer.average.eval()


def build(scaling: Scaling, config: StageOneConfig) -> AverageVelocity:
    """The network that ``config`` describes, with weights from torch's global generator."""
    return AverageVelocity(
        scaling, width=config.width, depth=config.depth, head=config.head, waves=config.waves
    )


class _Training(Engine[AverageVelocity]):
    resumable = True

    def __init__(
        self,
        data: TrainingData,
        config: StageOneConfig,
        seed: int,
        device: torch.device,
        *,
        threads: int | None = None,
        compiled: bool = False,
    ) -> None:
        self.fingerprint = fingerprint(data, config, seed)
        self._config = config
        self._scaling = data.scaling()
        self._random = generator(seed, "stage 1", device=device)
        coupled = data.coupled(config.coupling, threads=threads)
        # Source, target and parameter of a row side by side: one look-up finds all three.
        parameter = torch.tensor(data.parameters).repeat_interleave(data.particles).unsqueeze(1)
        parts = (coupled.source.flatten(0, 1), coupled.target.flatten(0, 1), parameter)
        self._table = torch.cat(parts, dim=1).to(device)
        self._particles = data.particles
        optimizer = initialised(
            lambda: build(self._scaling, config),
            config,
            seed=derive(seed, "stage 1 weights"),
            device=device,
        )
        whole = data.period is not None and data.origin is None
        self._period = torch.tensor(data.period, device=device) if whole else None
        super().__init__(
            optimizer, self._draw_rows, self._loss, self._random, threads=threads, compiled=compiled
        )

    def _loss(self, net: AverageVelocity, batch: MeanFlowBatch) -> MeanFlowLoss:
        return meanflow_loss(
            net,
            batch,
            method=self._config.method,
            weighting_power=self._config.weighting_power,
            weighting_offset=self._config.weighting_offset,
        )

    def _draw_rows(self) -> MeanFlowBatch:
        """Rows of all parameters alike, by the coupling, with fresh times."""
        size, dim = self._config.batch, self._scaling.dim
        rows = self._integers(len(self._table), size)
        source, target, parameter = torch.split(
            self._table.index_select(0, rows), [dim, dim, 1], dim=1
        )
        if self._config.coupling == "independent":
            # Any source row of the same parameter.
            others = rows - rows % self._particles + self._integers(self._particles, size)
            source = self._table.index_select(0, others)[:, :dim]
        times = draw_times(self._config, size, self._random)
        return MeanFlowBatch(
            # On a torus that is not cut the path is the shortest.
            source=nearest_image(source, target, self._period),
            target=target,
            parameter=parameter,
            seen=jittered(parameter, self._scaling, self._config.jitter, self._random),
            t=times.t,
            h=times.h,
            equal=times.equal,
        )

    def _integers(self, high: int, size: int) -> Tensor:
        device = self._table.device
        return torch.randint(high, (size,), generator=self._random, device=device)
