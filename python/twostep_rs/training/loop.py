"""The loop that both stages share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack

from twostep_rs.errors import DeviceError, DivergenceError, FileFormatError, InputError
from twostep_rs.training import distributed

if TYPE_CHECKING:
    from collections.abc import Callable

    from twostep_rs.training.checkpoint import CheckpointFile

    Progress = Callable[[int, int], object]
    Log = Callable[[dict[str, float]], object]

_LOG_LINES = 100

# A loss so many times the smallest that was logged is that of a training that has diverged.
_DIVERGED = 1e9


class Options(TypedDict, total=False):
    """Where and how to train; none of it changes what is trained, but for the device's rounding.

    Attributes:
        device: where to train; the CPU by default.
        checkpoint: where to save the state and to go on from.
        progress: called as ``progress(step, steps)`` after every step.
        log: called with a row of metrics about a hundred times.
        threads: threads of networks and couplings; the package default if not given. The result
            is the same for any number.
        compiled: whether torch.compile compiles the steps, which takes some seconds first.
    """

    device: str
    checkpoint: CheckpointFile | None
    progress: Progress | None
    log: Log | None
    threads: int | None
    compiled: bool


class Trainable(Protocol):
    """A training that advances by steps and can be put away between them."""

    fingerprint: str

    @property
    def step(self) -> int:
        """Steps taken."""
        ...

    @property
    def resumable(self) -> bool:
        """Whether a training that starts here from :meth:`state` ends with the same bits."""
        ...

    def advance(self) -> None:
        """Take one step."""
        ...

    def metrics(self) -> dict[str, float]:
        """What to log about the last step."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        ...


def run(training: Trainable, steps: int, **options: Unpack[Options]) -> None:
    """Advance ``training`` to ``steps``, from its checkpoint if there is one.

    In a process group all ranks call this alike; all read the checkpoint, one writes it.

    Raises:
        InputError: the ranks of a process group train different things.
        FileFormatError: the checkpoint is broken or belongs to another training.
        DeviceError: the checkpoint is of a training on another type of device.
        DivergenceError: the training has diverged.
    """
    ranks = distributed.ranks()
    if ranks.several and not distributed.agreed(training.fingerprint):
        raise InputError(
            "ranks: expected the same data, configuration and seed, got different ones"
        )
    checkpoint, progress = options.get("checkpoint"), options.get("progress")
    log = options.get("log")
    least = float("inf")
    if checkpoint is not None and (state := checkpoint.load(training.fingerprint)) is not None:
        _restore(training, state, checkpoint)
        least = state.get("least", least)
    checkpoint = checkpoint if ranks.leads else None
    every = max(1, steps // _LOG_LINES)
    started = time.monotonic()
    while training.step < steps:
        training.advance()
        if training.step % every == 0 or training.step == steps:
            metrics = training.metrics()
            _check(training.step, metrics, least)
            if metrics["loss"] > 0.0:
                least = min(least, metrics["loss"])
            if log is not None:
                seconds = time.monotonic() - started
                log({"step": float(training.step), "seconds": seconds, **metrics})
        done = training.step == steps
        if checkpoint is not None and (done or (training.resumable and checkpoint.due())):
            _check(training.step, training.metrics(), least)
            checkpoint.save(training.fingerprint, {**training.state(), "least": least})
        if progress is not None:
            progress(training.step, steps)


def _restore(training: Trainable, state: dict[str, Any], checkpoint: CheckpointFile) -> None:
    try:
        training.restore(state)
    except DeviceError as error:
        raise DeviceError(f"{checkpoint.path}: {error}") from error
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise FileFormatError(
            f"{checkpoint.path}: state: expected that of this network and optimiser, got {error}"
        ) from error


def _check(step: int, metrics: dict[str, float], least: float) -> None:
    bound = _DIVERGED * least
    if not abs(metrics["loss"]) < bound:
        expected = "a finite number" if bound == float("inf") else f"a number below {bound:.3g}"
        raise DivergenceError(
            f"loss: expected {expected}, got {metrics['loss']} at step {step}; a smaller "
            "learning_rate or clip helps"
        )
