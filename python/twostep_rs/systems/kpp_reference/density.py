"""Probability densities on the torus that are trigonometric polynomials."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twostep_rs._arrays import as_points
from twostep_rs._scalars import as_integer
from twostep_rs.errors import InputError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_PERIOD = 2.0 * math.pi
_LARGEST_SEED = 2**64 - 1

# Rows of a sample that are worked on at once: bounds the memory.
_ROWS = 2_000
_NEWTON_STEPS = 4


@dataclass(frozen=True, eq=False)
class TorusDensity:
    r"""A density :math:`p(x) = (2\pi)^{-d} \sum_k c_k e^{i k \cdot x}` with :math:`c_0 = 1`.

    Attributes:
        coefficients: c, complex, 2 K + 1 entries on each of the d axes, mode 0 in the middle.
    """

    coefficients: NDArray[np.complex128]

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.coefficients.ndim

    @property
    def cutoff(self) -> int:
        """Largest mode K on an axis."""
        return int(self.coefficients.shape[0]) // 2

    def __call__(self, x: ArrayLike) -> NDArray[np.float64]:
        """The density at points ``x`` of shape (n, d)."""
        points = as_points("x", x)
        if points.shape[1] != self.dim:
            raise ShapeError(f"x: expected shape (n, {self.dim}), got {points.shape}")
        values = [self._at(points[i : i + _ROWS]) for i in range(0, len(points), _ROWS)]
        return np.concatenate(values)

    def marginal(self, axes: Sequence[int]) -> TorusDensity:
        """The density of some of the coordinates, in the given order.

        Raises:
            InputError: an axis that does not exist or is named twice, or none.
        """
        kept = [as_integer("axes", axis, low=0, high=self.dim - 1) for axis in axes]
        if not kept or len(set(kept)) < len(kept):
            raise InputError(f"axes: expected distinct axes, at least one, got {list(axes)}")
        place = tuple(slice(None) if j in kept else self.cutoff for j in range(self.dim))
        remaining = sorted(kept)
        return TorusDensity(
            self.coefficients[place].transpose([remaining.index(axis) for axis in kept])
        )

    def bin_masses(self, bins: int) -> NDArray[np.float64]:
        """The mass of every cell of a grid over [0, 2 pi)^d, by exact integration.

        Args:
            bins: cells per axis.

        Returns:
            Array with ``bins`` entries per axis and sum one. What rounding and the cut-off of the
            series leave below zero is set to zero.
        """
        bins = as_integer("bins", bins, low=1)
        k = np.arange(-self.cutoff, self.cutoff + 1)
        width = _PERIOD / bins
        middle = (np.arange(bins) + 0.5) * width
        # The integral of exp(i k x) / 2 pi over a cell.
        integrals = np.exp(1j * np.outer(middle, k)) * np.sinc(0.5 * k * width / math.pi) / bins
        masses = self.coefficients
        for _ in range(self.dim):
            masses = np.tensordot(masses, integrals, axes=(0, 1))
        positive = np.maximum(masses.real, 0.0)
        return np.asarray(positive / positive.sum())

    def sample(self, n: int, seed: int = 0) -> NDArray[np.float64]:
        """Draw independent points: one coordinate after the other, by inverse distribution.

        Args:
            n: number of points.
            seed: from 0 to 2^64 - 1.

        Returns:
            Array of shape (n, d) in [0, 2 pi).
        """
        n = as_integer("n", n, low=1)
        random = np.random.default_rng(as_integer("seed", seed, low=0, high=_LARGEST_SEED))
        levels = random.random((n, self.dim))
        return np.concatenate([self._invert(levels[i : i + _ROWS]) for i in range(0, n, _ROWS)])

    def _at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        waves = np.ones((len(points), 1), dtype=np.complex128)
        for coordinate in points[:, :-1].T:
            waves = _extended(waves, coordinate, self.cutoff)
        last = waves @ self.coefficients.reshape(waves.shape[1], -1)
        k = np.arange(-self.cutoff, self.cutoff + 1)
        sums = (last * np.exp(1j * np.outer(points[:, -1], k))).sum(axis=1)
        return np.asarray(sums.real / _PERIOD**self.dim)

    def _invert(self, levels: NDArray[np.float64]) -> NDArray[np.float64]:
        waves = np.ones((len(levels), 1), dtype=np.complex128)
        points = np.empty_like(levels)
        for axis in range(self.dim):
            earlier = self.marginal(range(axis + 1)).coefficients
            coefficients = earlier.reshape(waves.shape[1], -1)
            conditional = waves @ coefficients[:, self.cutoff :]
            points[:, axis] = _quantile(conditional, levels[:, axis])
            if axis < self.dim - 1:
                waves = _extended(waves, points[:, axis], self.cutoff)
        return points


def _extended(
    waves: NDArray[np.complex128], coordinate: NDArray[np.float64], cutoff: int
) -> NDArray[np.complex128]:
    """Products of waves of the axes before with those of one more, (n, m (2 K + 1))."""
    k = np.arange(-cutoff, cutoff + 1)
    more = np.exp(1j * np.outer(coordinate, k))
    return np.asarray((waves[:, :, None] * more[:, None, :]).reshape(len(waves), -1))


def _quantile(
    coefficients: NDArray[np.complex128], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points where distribution functions, one a row, reach ``levels``; modes 0 to K given."""
    k = np.arange(1, coefficients.shape[1])
    slopes = 2.0 * coefficients[:, 1:] / coefficients[:, :1].real
    rises = slopes / (1j * k)
    # Where each level is crossed on a grid, then Newton's method inside the cell.
    cells = 8 * (len(k) + 1)
    grid = _PERIOD / cells * np.arange(cells + 1)
    table = np.exp(1j * np.outer(k, grid)) - 1.0
    heights = (grid + (rises @ table).real) / _PERIOD
    cell = np.clip((heights <= levels[:, None]).sum(axis=1) - 1, 0, cells - 1)
    low, high = grid[cell], grid[cell + 1]
    rows = np.arange(len(levels))
    bottom, top = heights[rows, cell], heights[rows, cell + 1]
    x = low + (high - low) * np.clip((levels - bottom) / np.maximum(top - bottom, 1e-300), 0.0, 1.0)
    for _ in range(_NEWTON_STEPS):
        waves = np.exp(1j * np.outer(x, k))
        height = (x + (rises * (waves - 1.0)).sum(axis=1).real) / _PERIOD
        slope = (1.0 + (slopes * waves).sum(axis=1).real) / _PERIOD
        x = np.clip(x - (height - levels) / np.maximum(slope, 1e-12), low, high)
    return np.where(x < _PERIOD, x, 0.0)
