"""Couplings of stage II by other solvers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from twostep_rs.threads import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from twostep_rs.training.couplings import Pair

    Solver = Callable[[Tensor, Tensor], Any]


class RivalCouplings:
    """Stands in the place of :class:`twostep_rs.training.couplings.Couplings`.

    Every problem is solved when it is asked for, from nothing, all of a batch side by side.

    Args:
        solve: row i of the first cloud goes with row ``solve(x, y)[i]`` of the second.
    """

    def __init__(self, solve: Solver) -> None:
        self.seconds = 0.0
        self._solve = solve
        self._pool = ThreadPoolExecutor(get_num_threads())

    def forget(self, number: int | None = None) -> None:
        """Nothing is remembered."""

    def begin(self, number: int, pairs: Sequence[Pair]) -> list[Tensor]:
        """The permutations."""
        del number
        started = time.perf_counter()
        found = []
        for x, y in pairs:
            rows = list(self._pool.map(self._solve, x.cpu(), y.cpu()))
            found.append(torch.from_numpy(np.stack(rows)).to(x.device))
        self.seconds += time.perf_counter() - started
        return found

    def finish(self, number: int, coupled: list[Tensor]) -> list[Tensor]:
        """The permutations."""
        del number
        return coupled


def pot() -> Solver:
    """POT's exact solver, with its iterations unlimited."""
    import ot  # type: ignore[import-untyped]

    def solve(x: Tensor, y: Tensor) -> Any:
        costs = ot.dist(x.double().numpy(), y.double().numpy())
        return ot.emd([], [], costs, numItermax=10**8).argmax(axis=1)

    return solve


def torchcfm() -> Solver:
    """The sampler of torchcfm: pairs drawn from POT's plan, with replacement as it does."""
    from torchcfm.optimal_transport import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
        OTPlanSampler,
    )

    sampler = OTPlanSampler("exact")

    def solve(x: Tensor, y: Tensor) -> Any:
        _, columns = sampler.sample_map(sampler.get_map(x, y), len(x))
        return columns

    return solve
