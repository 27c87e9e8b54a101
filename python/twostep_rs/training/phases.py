"""Trainings of several phases, each of which learns from the networks of those before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from twostep_rs.training.engine import Engine


@dataclass(frozen=True)
class Phase:
    """One of the phases.

    Attributes:
        begin: makes its training, given the averaged networks of the phases before, frozen.
        steps: its length.
    """

    begin: Callable[[Sequence[nn.Module]], Engine[Any]]
    steps: int


class Phases:
    """Phases one after the other, as one training.

    Args:
        phases: at least one.
        fingerprint: of the whole training.
    """

    resumable = True

    def __init__(self, phases: Sequence[Phase], fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._phases = phases
        self._done: list[nn.Module] = []
        self._engine = phases[0].begin(())

    @property
    def steps(self) -> int:
        """Length of all phases together."""
        return sum(phase.steps for phase in self._phases)

    @property
    def step(self) -> int:
        """Steps taken in all phases."""
        done = sum(phase.steps for phase in self._phases[: len(self._done)])
        return done + self._engine.step

    @property
    def average(self) -> nn.Module:
        """The averaged network of the phase that is under way."""
        net: nn.Module = self._engine.optimizer.average.eval()
        return net

    def advance(self) -> None:
        """Take one step, the first of the next phase where this one is over."""
        if self._engine.step == self._phases[len(self._done)].steps:
            self._next()
        self._engine.advance()

    def metrics(self) -> dict[str, float]:
        """Those of the phase that is under way, and its number."""
        return {**self._engine.metrics(), "phase": float(len(self._done) + 1)}

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "done": [net.state_dict() for net in self._done],
            "engine": self._engine.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`.

        Raises:
            DeviceError: it is that of a training on another type of device.
        """
        for weights in state["done"]:
            self.average.load_state_dict(weights)  # before the next phase begins from it
            self._next()
        self._engine.restore(state["engine"])

    def _next(self) -> None:
        self._done.append(self.average)
        self._engine = self._phases[len(self._done)].begin(self._done)
