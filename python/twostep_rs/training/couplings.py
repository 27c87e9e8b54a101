"""Exact couplings of batches, warm from refresh to refresh."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from twostep_rs import ot
from twostep_rs.models.features import nearest_image

if TYPE_CHECKING:
    from torch import Tensor


class Couplings:
    """Optimal permutations between two batches of clouds, one for every parameter.

    Couplings never mix parameters: a plan over a batch of several would change the law of the
    source that each parameter is trained on.

    Args:
        threads: threads of the solver; the package default if not given.
        period: periods of a torus, one per axis; None for free space.

    Attributes:
        seconds: wall time spent in :meth:`partners`.
    """

    def __init__(self, threads: int | None = None, period: tuple[float, ...] | None = None) -> None:
        self.seconds = 0.0
        self._threads = threads
        self._period = period
        self._plans: list[ot.Plan] | None = None

    def forget(self) -> None:
        """Start the next solve from nothing: the clouds are others."""
        self._plans = None

    def partners(self, x: Tensor, y: Tensor) -> Tensor:
        """Rows of ``y`` in the order of the rows of ``x`` that they are coupled with.

        On a torus they are the images that are nearest to those.

        Args:
            x: (k, n, d).
            y: (k, n, d).
        """
        started = time.perf_counter()
        self._plans = ot.emd_batch(
            list(x.cpu()),
            list(y.cpu()),
            period=self._period,
            warm_starts=self._plans,
            threads=self._threads,
        )
        permutation = torch.stack([plan.permutation for plan in self._plans]).to(y.device)
        self.seconds += time.perf_counter() - started
        partners = y.gather(1, permutation.unsqueeze(2).expand_as(y))
        period = None if self._period is None else x.new_tensor(self._period)
        return nearest_image(partners, x, period)
