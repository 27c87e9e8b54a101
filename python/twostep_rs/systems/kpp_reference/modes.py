"""The Fourier modes of real functions on the torus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Lookup(NamedTuple):
    """Where modes are kept: each array has one entry per mode that was asked for.

    Attributes:
        row: that of the mode, or of its opposite.
        conjugate: whether it is the opposite that is kept.
        inside: whether either is.
    """

    row: NDArray[np.int64]
    conjugate: NDArray[np.bool_]
    inside: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class HalfSpace:
    """Modes k with |k| <= cutoff, one of every pair k, -k: a real function needs no more.

    Attributes:
        dim: number of axes.
        cutoff: largest Euclidean length of a mode.
        vectors: the modes, (n, dim); row 0 is the mean.
    """

    dim: int
    cutoff: int
    vectors: NDArray[np.int64]
    _table: NDArray[np.int64]

    @classmethod
    def within(cls, dim: int, cutoff: int) -> HalfSpace:
        """All modes up to ``cutoff``."""
        axis = np.arange(-cutoff, cutoff + 1)
        grid = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
        ball = grid[(grid**2).sum(axis=1) <= cutoff**2]
        # The grid is in lexicographic order, in which -k mirrors k about the middle.
        vectors = ball[len(ball) // 2 :]
        table = np.full((2 * cutoff + 1,) * dim, -1)
        table[tuple((vectors + cutoff).T)] = np.arange(len(vectors))
        return cls(dim, cutoff, vectors, table)

    def __len__(self) -> int:
        return len(self.vectors)

    def find(self, vectors: NDArray[np.int64]) -> Lookup:
        """Rows of ``vectors`` of shape (m, dim)."""
        direct, opposite = self._rows(vectors), self._rows(-vectors)
        conjugate = direct < 0
        row = np.where(conjugate, opposite, direct)
        return Lookup(row, conjugate, row >= 0)

    def to_grid(self, half: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """All coefficients as an array with 2 cutoff + 1 entries per axis, mode 0 in the middle."""
        full = np.zeros((2 * self.cutoff + 1,) * self.dim, dtype=np.complex128)
        full[tuple((self.cutoff - self.vectors).T)] = half.conj()
        full[tuple((self.cutoff + self.vectors).T)] = half
        return full

    def embed(self, half: NDArray[np.complex128], into: HalfSpace) -> NDArray[np.complex128]:
        """The coefficients in another set of modes; those that are missing there are dropped."""
        out = np.zeros(len(into), dtype=np.complex128)
        place = into.find(self.vectors)
        values = np.where(place.conjugate, half.conj(), half)
        out[place.row[place.inside]] = values[place.inside]
        return out

    def _rows(self, vectors: NDArray[np.int64]) -> NDArray[np.int64]:
        outside = np.any(abs(vectors) > self.cutoff, axis=1)
        rows = self._table[tuple((np.where(outside[:, None], 0, vectors) + self.cutoff).T)]
        return np.where(outside, -1, rows)
