"""The engine of every training: batch, loss, gradient, optimiser, as fast as the device allows."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

import torch
from torch import nn

from twostep_rs.errors import DeviceError
from twostep_rs.training import distributed
from twostep_rs.training.capture import Replayed
from twostep_rs.training.loss_scale import LossScale
from twostep_rs.training.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from twostep_rs.training.optimizer import Optimizer

# Rows of one shard: enough that the calls cost little, few enough that activations stay in cache.
_ROWS = 1024

Net = TypeVar("Net", bound=nn.Module)


class Batch(Protocol):
    """Rows of one loss evaluation."""

    def __len__(self) -> int:
        """Number of rows."""
        ...

    @property
    def particles(self) -> int:
        """Number of particles; a row may have several."""
        ...

    def rows(self, rows: slice) -> Self:
        """Some of the rows, in their order."""
        ...


class Objective(nn.Module):
    """A loss as a module: derivatives of the network are taken inside, where wrappers see them.

    Args:
        net: the network.
        loss: of the network and a batch: the mean over its rows, in a dataclass whose fields are
            scalars; the one called ``loss`` is minimised.
        half: whether linear layers compute in half precision; weights stay single.
    """

    def __init__(
        self, net: nn.Module, loss: Callable[[Any, Any], Any], *, half: bool = False
    ) -> None:
        super().__init__()
        self.net = net
        self._loss = loss
        self._half = half

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """The scalars by name."""
        device = next(self.net.parameters()).device.type
        # A cache of halved weights would outlive the step that a graph records.
        with torch.autocast(device, torch.float16, enabled=self._half, cache_enabled=False):
            found = self._loss(self.net, batch)
        return {field.name: getattr(found, field.name) for field in fields(found)}


class Engine(Generic[Net]):
    """Takes the steps of a training.

    On a GPU the whole step is recorded once and replayed: the batch is drawn, the loss
    and its gradient are computed and the optimiser steps without a word from the CPU.

    On a CPU a batch is cut into shards of a fixed size, whose gradients are computed side by side,
    each on one thread, and summed in their order: the result does not depend on the number of
    threads.

    In a process group every rank draws the same batch, takes its share of the rows, and
    DistributedDataParallel averages the gradients; a GPU then works without recording.

    Args:
        optimizer: of the network; lives on the device.
        draw: the batch of the next step; draws random numbers from ``generator`` alone and reads
            tensors that stay in place.
        loss: as for :class:`Objective`.
        generator: of the training, on the device.
        threads: at most so many on a CPU; the package default if not given.
        compiled: whether torch.compile compiles the loss and its gradient.
        half: whether networks compute the loss and its gradient in half precision.
    """

    def __init__(
        self,
        optimizer: Optimizer[Net],
        draw: Callable[[], Batch],
        loss: Callable[[Net, Any], Any],
        generator: torch.Generator,
        *,
        threads: int | None = None,
        compiled: bool = False,
        half: bool = False,
    ) -> None:
        self.optimizer = optimizer
        self._draw = draw
        self._generator = generator
        self._parameters = list(optimizer.net.parameters())
        self._ranks = distributed.ranks()
        self._on_cpu = generator.device.type == "cpu"
        objective: nn.Module = Objective(optimizer.net, loss, half=half)
        self._scale = LossScale(generator.device) if half else None
        if self._ranks.several:
            objective = nn.parallel.DistributedDataParallel(objective)
        self._objective: Callable[[Batch], dict[str, Tensor]] = (
            torch.compile(objective, dynamic=False) if compiled else objective
        )
        self._workers = Workers(threads)
        self._values: dict[str, Tensor] = {}
        captured = not (self._on_cpu or self._ranks.several)
        self._step = Replayed(self._update, [generator], captured=captured)

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.optimizer.step

    def advance(self) -> None:
        """Take one step."""
        self.optimizer.schedule()
        self._values = self._step()

    def metrics(self) -> dict[str, float]:
        """The scalars of the last step (of the rows of this rank), by name."""
        return {name: float(value) for name, value in self._values.items()}

    @torch.no_grad()
    def evaluate(self, work: Callable[..., Tensor], *rows: Tensor) -> Tensor:
        """``work`` of tensors with the same rows, on all threads, without gradient."""
        if not self._on_cpu:
            return work(*rows)

        def without_gradient(part: tuple[Tensor, ...]) -> Tensor:
            with torch.no_grad():  # each thread has a mode of its own
                return work(*part)

        parts = list(zip(*(torch.split(tensor, _ROWS) for tensor in rows), strict=True))
        return torch.cat(self._workers.map(without_gradient, parts))

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            **self.optimizer.state(),
            "generator": self._generator.get_state(),
            "device": self._generator.device.type,
            "loss_scale": {} if self._scale is None else self._scale.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`.

        Raises:
            DeviceError: it is that of a training on another type of device.
        """
        if state["device"] != self._generator.device.type:
            raise DeviceError(
                f"device: expected {state['device']}, on which this training began, got "
                f"{self._generator.device.type}; begin another run to train there"
            )
        self.optimizer.restore(state)
        self._generator.set_state(state["generator"])
        if self._scale is not None:
            self._scale.restore(state["loss_scale"])

    def _update(self) -> dict[str, Tensor]:
        batch = self._draw()
        if self._ranks.several:
            values = self._share(batch)
        elif self._on_cpu:
            values = self._shards(batch)
        else:
            values = self._whole(batch)
        if self._scale is None:
            self.optimizer.update()
        else:
            self._scale.unscale([p.grad for p in self._parameters if p.grad is not None])
            self.optimizer.update(self._scale.overflow)
        return values

    def _whole(self, batch: Batch) -> dict[str, Tensor]:
        values, gradients = self._gradients(batch)
        self._set(gradients)
        return values

    def _shards(self, batch: Batch) -> dict[str, Tensor]:
        count = min(len(batch), -(-batch.particles // _ROWS))
        shards = [batch.rows(slice(k, None, count)) for k in range(count)]
        found = self._workers.map(self._gradients, shards)
        weights = [len(shard) / len(batch) for shard in shards]
        self._set([_mean(parts, weights) for parts in zip(*(g for _, g in found), strict=True)])
        return {name: _mean([values[name] for values, _ in found], weights) for name in found[0][0]}

    def _share(self, batch: Batch) -> dict[str, Tensor]:
        """The gradient of all rows, by the ranks together; the values of the rows of this one."""
        mine = batch.rows(self._ranks.share())
        for parameter in self._parameters:
            parameter.grad = None
        values = self._objective(mine)
        # The average over ranks of these is the mean over all rows, also of unequal shares.
        loss = self._scaled(values["loss"]) * (len(mine) * self._ranks.size / len(batch))
        loss.backward()  # type: ignore[no-untyped-call]
        return _detached(values)

    def _gradients(self, batch: Batch) -> tuple[dict[str, Tensor], Sequence[Tensor]]:
        values = self._objective(batch)
        loss = self._scaled(values["loss"])
        return _detached(values), torch.autograd.grad(loss, self._parameters)

    def _scaled(self, loss: Tensor) -> Tensor:
        return loss if self._scale is None else self._scale.factor * loss

    def _set(self, gradients: Sequence[Tensor]) -> None:
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient.contiguous()  # inductor may transpose it


def _mean(parts: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The weighted mean, summed in the order of the parts."""
    if len(parts) == 1:
        return parts[0]
    total = parts[0] * weights[0]
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        total.add_(part, alpha=weight)
    return total


def _detached(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in values.items()}
