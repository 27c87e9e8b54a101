"""A checkerboard of squares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twostep_rs._arrays import as_points
from twostep_rs.systems.planar.problem import PlanarProblem

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_SQUARES = 4
_SIDE = 2.0
_HALF = 0.5 * _SQUARES * _SIDE

# The grid of the divergence: cells of a twentieth of a side, and half a square beyond the board.
_CELLS_PER_SQUARE = 20
_MARGIN = 1.0
_PSEUDO_COUNT = 0.1


class Checkerboard(PlanarProblem):
    """From N(0, I) to the uniform law on eight of the sixteen squares of [-4, 4]^2, of side 2.

    The squares are those whose row and column are both even or both odd, so that the one at
    (-4, -4) belongs to them. (Boffi et al. 2024, section 4.1, print neither scale nor squares.)
    """

    def contains(self, points: ArrayLike) -> NDArray[np.bool_]:
        """Whether points, (n, 2), lie in one of the squares, (n,)."""
        square = np.floor((as_points("points", points) + _HALF) / _SIDE)
        on_board = ((square >= 0) & (square < _SQUARES)).all(axis=1)
        found: NDArray[np.bool_] = on_board & (square.sum(axis=1) % 2 == 0)
        return found

    def divergence(self, points: ArrayLike) -> float:
        """Kullback-Leibler divergence of the law of points, (n, 2), from this one.

        It is sum p log(p / q) over square cells of side 0.1 on [-5, 5]^2, with the exact masses p
        and q the share of points in a cell, after a tenth of a point has been added to every cell;
        all the space beyond is one more cell. A million points of the law itself come to 0.0023.
        Compare only what was found with the same number of points.
        """
        cells = round((_SQUARES + 2.0 * _MARGIN / _SIDE) * _CELLS_PER_SQUARE)
        end = _HALF + _MARGIN
        edges = np.linspace(-end, end, cells + 1)
        found = as_points("points", points)
        counts, _, _ = np.histogram2d(found[:, 0], found[:, 1], bins=(edges, edges))
        middles = 0.5 * (edges[1:] + edges[:-1])
        centres = np.stack(np.meshgrid(middles, middles, indexing="ij"), axis=2).reshape(-1, 2)
        inside = self.contains(centres)
        shares = (counts.ravel()[inside] + _PSEUDO_COUNT) / (
            len(found) + _PSEUDO_COUNT * (cells**2 + 1)
        )
        mass = 1.0 / inside.sum()
        return float(np.mean(np.log(mass / shares)))

    def _targets(self, n: int, random: np.random.Generator) -> NDArray[np.float64]:
        row, half = random.integers(_SQUARES, size=n), random.integers(_SQUARES // 2, size=n)
        square = np.stack([row, 2 * half + row % 2], axis=1)
        return _SIDE * (square + random.random((n, 2))) - _HALF
