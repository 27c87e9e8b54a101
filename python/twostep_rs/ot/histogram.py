"""Exact Wasserstein-2 distance between histograms of two clouds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from twostep_rs import _core
from twostep_rs._arrays import as_points
from twostep_rs.errors import InputError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class HistogramW2:
    """Distance between two histograms, with where they lie and its proof.

    Attributes:
        w2_squared: W2 squared; the tables of the field print this.
        low: lower ends of the box, one per axis.
        high: upper ends of the box, one per axis.
        bins: cells per axis.
        occupied: occupied cells of the histograms of x and y.
        gap: distance to the dual value: zero up to rounding.
        max_violation: largest violation of the dual: zero up to rounding.
        cost_scale: what "up to rounding" refers to.
    """

    w2_squared: float
    low: tuple[float, ...]
    high: tuple[float, ...]
    bins: tuple[int, ...]
    occupied: tuple[int, int]
    gap: float
    max_violation: float
    cost_scale: float

    @property
    def w2(self) -> float:
        """Root of :attr:`w2_squared`."""
        return math.sqrt(max(self.w2_squared, 0.0))


def histogram_w2(
    x: ArrayLike,
    y: ArrayLike,
    *,
    bins: int | Sequence[int] = 24,
    box: Literal["reference", "joint"] | ArrayLike = "reference",
    period: float | Sequence[float] | None = None,
    threads: int | None = None,
) -> HistogramW2:
    """Histogram two clouds on one grid and measure the exact W2 between the histograms.

    Mass sits at the centres of the cells; only occupied cells take part, so that fine grids in
    four dimensions are no trouble.

    Args:
        x: points, ``(n, d)``.
        y: points of the reference, ``(m, d)``.
        bins: cells per axis, one number or ``d``.
        box: ``"reference"`` for the 0.1 % to 99.9 % quantiles of ``y`` plus 5 % of that range on
            each side; ``"joint"`` for the exact bounding box of both clouds; or the ends
            themselves, ``(d, 2)``. Points outside count in the nearest cell.
        period: periods of a torus ``[0, period)`` instead of a box, one number or ``d``.
        threads: number of threads; the package default if not given.

    Returns:
        The distance with box and certificate.

    Raises:
        ShapeError: shapes do not fit, or a cloud is empty.
        InputError: NaN or infinite entries, no bins, an unknown rule.

    Example:
        >>> import numpy as np, twostep_rs as ts
        >>> x = np.array([[0.1, 0.1], [0.9, 0.9]])
        >>> distance = ts.ot.histogram_w2(x, x[:1], bins=10, box=[(0, 1), (0, 1)])
        >>> round(distance.w2_squared, 12)
        0.64
    """
    points, reference = as_points("x", x), as_points("y", y)
    dim = reference.shape[1]
    counts = _bins(bins, dim)
    ends = None if isinstance(box, str) else _ends(box, dim)
    periods = None if period is None else np.broadcast_to(period, (dim,)).astype(float).tolist()
    found = _core.histogram_w2(
        points, reference, counts, box if isinstance(box, str) else "joint", ends, periods, threads
    )
    return HistogramW2(
        w2_squared=found["w2_squared"],
        low=tuple(found["low"]),
        high=tuple(found["high"]),
        bins=tuple(counts),
        occupied=tuple(found["occupied"]),
        gap=found["gap"],
        max_violation=found["max_violation"],
        cost_scale=found["cost_scale"],
    )


def _bins(bins: int | Sequence[int], dim: int) -> list[int]:
    counts = np.asarray(bins)
    if counts.dtype.kind not in "iu" or counts.shape not in ((), (dim,)):
        raise InputError(f"bins: expected one integer or {dim}, got {bins!r}")
    if (counts < 1).any():
        raise InputError(f"bins: expected at least 1 per axis, got {bins!r}")
    return [int(count) for count in np.broadcast_to(counts, (dim,))]


def _ends(box: ArrayLike, dim: int) -> tuple[list[float], list[float]]:
    ends = np.asarray(box, dtype=np.float64)
    if ends.shape != (dim, 2):
        raise ShapeError(
            f"box: expected 'reference', 'joint' or ends of shape ({dim}, 2), got {ends.shape}"
        )
    return ends[:, 0].tolist(), ends[:, 1].tolist()
