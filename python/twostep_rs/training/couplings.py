"""Exact couplings of batches, warm from refresh to refresh, and never in the way of a GPU."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import torch

from twostep_rs import ot
from twostep_rs.ot.submit import Snapshot
from twostep_rs.training import distributed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor, Future

    from torch import Tensor

Pair = tuple["Tensor", "Tensor"]
Plans = list[ot.Plan | None]


class Coupled:
    """Permutations that a background thread is finding.

    Attributes:
        plans: of every problem of this rank, when done; the next solve of the same batch starts
            from them.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        warm: Plans | None,
        executor: Executor,
        threads: int | None,
        period: tuple[float, ...] | None = None,
    ) -> None:
        ranks = distributed.ranks()
        share = ranks.share()
        self._pairs = pairs
        self._period = period
        self._problems = sum(len(x) for x, _ in pairs)
        self.plans: Plans = warm or [None] * len(range(self._problems)[share])
        self._solved: Future[Tensor] = executor.submit(
            self._solve,
            Snapshot(torch.cat([x for x, _ in pairs])[share]),
            Snapshot(torch.cat([y for _, y in pairs])[share]),
            threads,
        )

    def wait(self) -> float:
        """Wait for the plans; the seconds in which the device had nothing else to do."""
        if self._solved.done():
            return 0.0
        x = self._pairs[0][0]
        if x.is_cuda:
            torch.cuda.current_stream(x.device).synchronize()
        started = time.perf_counter()
        self._solved.result()
        return time.perf_counter() - started

    def permutations(self) -> list[Tensor]:
        """For each pair (k, n): row i of x goes with row ``permutation[i]`` of y."""
        x = self._pairs[0][0]
        permutations = self._solved.result().to(x.device, non_blocking=True)
        ranks = distributed.ranks()
        if ranks.several:
            everyone = permutations.new_zeros(self._problems, x.shape[1])
            everyone[ranks.share()] = permutations
            permutations = distributed.summed(everyone)
        return list(torch.split(permutations, [len(x) for x, _ in self._pairs]))

    def _solve(self, x: Snapshot, y: Snapshot, threads: int | None) -> Tensor:
        plans = ot.emd_batch(
            x.clouds(), y.clouds(), period=self._period, warm_starts=self.plans, threads=threads
        )
        self.plans = list(plans)
        found = torch.empty(
            len(plans),
            self._pairs[0][0].shape[1],
            dtype=torch.int64,
            pin_memory=self._pairs[0][0].is_cuda,
        )
        for row, plan in zip(found, plans, strict=True):
            row.copy_(torch.from_numpy(plan.permutation))
        return found


class Couplings:
    """Optimal permutations between batches of clouds, one for every parameter and pair.

    Couplings never mix parameters: a plan over a batch of several would change the law of the
    source that each parameter is trained on. In a process group every rank solves its share.

    Args:
        threads: threads of the solver; the package default if not given.
        period: periods of a torus, one per axis; None for free space.
        together: batches that are coupled at once; some problems take longer than others, and
            threads that are done with one batch go on with the next.

    Attributes:
        seconds: wall time in which there was nothing to do but to wait for the solver. What a GPU
            still had to do when the wait began is not counted.
    """

    def __init__(
        self,
        threads: int | None = None,
        period: tuple[float, ...] | None = None,
        together: int = 1,
    ) -> None:
        self.seconds = 0.0
        self._threads = threads
        self._period = period
        self._plans: dict[int, Plans] = {}
        self._executor = ThreadPoolExecutor(together, "twostep-couplings")

    def forget(self, number: int | None = None) -> None:
        """Start the next solves of batch ``number``, or of all, from nothing."""
        if number is None:
            self._plans.clear()
        else:
            self._plans.pop(number, None)

    def begin(self, number: int, pairs: Sequence[Pair]) -> Coupled:
        """Begin to couple the ``pairs`` of clouds (x, y), each (k, n, d), of batch ``number``."""
        warm = self._plans.get(number)
        return Coupled(pairs, warm, self._executor, self._threads, self._period)

    def finish(self, number: int, coupled: Coupled) -> list[Tensor]:
        """Permutations of every pair, as soon as they are found."""
        self.seconds += coupled.wait()
        permutations = coupled.permutations()
        self._plans[number] = coupled.plans
        return permutations


def partners(y: Tensor, coupling: Tensor) -> Tensor:
    """Where couplings lead, (k, n, d).

    Args:
        y: targets, (k, n, d).
        coupling: permutations (k, n), or barycentres (k, n, d), which are the answer.
    """
    if coupling.ndim == y.ndim:
        return coupling
    return y.gather(1, coupling.unsqueeze(2).expand_as(y))
