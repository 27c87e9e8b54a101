"""The result of an exact solve."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from twostep_rs.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from twostep_rs._core import RawPlan


class Plan:
    """An optimal transport plan with the proof that it is one.

    Arrays are NumPy arrays, or torch tensors on the device of the input where that was a tensor.

    Attributes:
        cost: ``sum(mass * c[rows, cols])``.
        shape: ``(n, m)``, the numbers of sources and of targets.
        gap: distance of ``cost`` to the value of the dual: zero up to rounding.
        max_violation: ``max_ij(u_i + v_j - c_ij)`` over all pairs: zero up to rounding.
        marginal_residual: largest difference of a marginal of the plan from its mass.
        cost_scale: the largest cost that a pair can have; what "up to rounding" refers to.
        pivots: pivots of the network simplex; none for ``d = 1``, which is solved by sorting.
        rounds: rounds in which all pairs were priced.
        warm: whether a warm start was used (one that would not pay is left alone).
    """

    def __init__(
        self,
        raw: RawPlan,
        shape: tuple[int, int],
        metric: str | None,
        restore: Callable[[NDArray[Any]], Any],
    ) -> None:
        self._raw = raw
        self._metric = metric
        self._restore = restore
        self.shape = shape
        self.cost = raw.cost
        self.gap = raw.gap
        self.max_violation = raw.max_violation
        self.marginal_residual = raw.marginal_residual
        self.cost_scale = raw.cost_scale
        self.pivots = raw.pivots
        self.rounds = raw.rounds
        self.warm = raw.warm

    @cached_property
    def _entries(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        return self._raw.entries()

    @cached_property
    def rows(self) -> Any:
        """Source of every entry, ``(k,)`` int64, ascending."""
        return self._restore(self._entries[0])

    @cached_property
    def cols(self) -> Any:
        """Target of every entry, ``(k,)`` int64."""
        return self._restore(self._entries[1])

    @cached_property
    def mass(self) -> Any:
        """Mass of every entry, ``(k,)``, positive."""
        return self._restore(self._entries[2])

    @cached_property
    def potentials(self) -> tuple[Any, Any]:
        """Duals ``(u, v)`` of shapes ``(n,)`` and ``(m,)`` with ``u_i + v_j <= c_ij``."""
        u, v = self._raw.potentials()
        return self._restore(u), self._restore(v)

    @property
    def w2(self) -> float:
        """Root of the cost per unit of mass: the Wasserstein-2 distance.

        Raises:
            InputError: the cost is not a squared distance between points.
        """
        if self._metric != "sqeuclidean":
            raise InputError(f"w2: expected a plan for metric 'sqeuclidean', got {self._metric!r}")
        return math.sqrt(max(self.cost, 0.0) / float(self._entries[2].sum()))

    @cached_property
    def permutation(self) -> Any:
        """``(n,)`` int64: source ``i`` goes to target ``permutation[i]``.

        Raises:
            InputError: the plan is no permutation (sizes differ, or weights are not equal).
        """
        rows, cols, _ = self._entries
        n, m = self.shape
        is_permutation = (
            n == m == len(rows) and np.array_equal(rows, np.arange(n)) and len(np.unique(cols)) == n
        )
        if not is_permutation:
            raise InputError(
                f"permutation: expected equal weights and equal sizes, got a {n} x {m} plan with "
                f"{len(rows)} entries"
            )
        return self._restore(cols)

    def to_dense(self) -> Any:
        """The plan as an ``(n, m)`` matrix."""
        rows, cols, mass = self._entries
        dense = np.zeros(self.shape)
        dense[rows, cols] = mass
        return self._restore(dense)

    def __repr__(self) -> str:
        n, m = self.shape
        return (
            f"Plan({n} x {m}, cost={self.cost:.12g}, gap={self.gap:.1e}, "
            f"max_violation={self.max_violation:.1e}, pivots={self.pivots}, warm={self.warm})"
        )
