"""Choosing weights by the distance to particles that were kept from training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from twostep_rs import ot

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from twostep_rs.models.generator import Generator
    from twostep_rs.training.data import TrainingData

# Distances of samples scatter by less than that.
_CLEARLY_ABOVE = 1.25


class HeldOut:
    """The last rows of every cloud, and the weights that suit them.

    The least distance in a row of noisy ones belongs to weights that imitate the sample by chance.
    So the latest weights are kept whose distance is not clearly above the least so far: chance
    decides nothing, and a training that decays is caught.

    Args:
        data: clouds of every training parameter.
        rows: rows of each that are kept from training.
        device: of the network.
        threads: of the distances; the package default if not given.
    """

    def __init__(
        self, data: TrainingData, rows: int, device: torch.device, threads: int | None = None
    ) -> None:
        self.distance = float("inf")
        self._weights: dict[str, Tensor] = {}
        self._source = data.source[:, -rows:].flatten(0, 1).to(device)
        self._target = list(data.target[:, -rows:])
        parameters = torch.tensor(data.parameters, device=device)
        self._parameter = parameters.repeat_interleave(rows).unsqueeze(1)
        self._period = data.period
        self._threads = threads

    def look(self, net: Generator, evaluate: Callable[..., Tensor]) -> None:
        """Measure W2 squared, the mean over parameters, and keep the weights if it is good.

        Args:
            net: the network.
            evaluate: calls a function of rows, as that of the engine does.
        """
        moved = evaluate(net.transport, self._source, self._parameter).cpu()
        plans = ot.emd_batch(
            list(moved.view(len(self._target), -1, moved.shape[1])),
            self._target,
            period=self._period,
            threads=self._threads,
        )
        distance = sum(plan.cost for plan in plans) / len(plans)
        if distance <= _CLEARLY_ABOVE * self.distance:
            self._weights = {name: value.clone() for name, value in net.state_dict().items()}
        self.distance = min(distance, self.distance)

    def choose(self, net: Generator) -> None:
        """Give ``net`` the weights that were kept."""
        if self._weights:
            net.load_state_dict(self._weights)

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` needs."""
        return {"distance": self.distance, "weights": self._weights}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self.distance = state["distance"]
        self._weights = state["weights"]
