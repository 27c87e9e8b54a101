"""Exact Wasserstein-2 distance between histograms of two clouds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from twostep_rs import _core
from twostep_rs._arrays import as_points
from twostep_rs._scalars import as_threads
from twostep_rs.errors import InputError, ShapeError
from twostep_rs.ot.grid import GridW2, ends_of, raw_of
from twostep_rs.ot.memory import check_histograms_fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


class HistogramW2(GridW2):
    """Distance between two histograms, with where they lie, its plan and its proof.

    All attributes are those of :class:`~twostep_rs.ot.GridW2`; the tables of the field print
    ``w2_squared``.
    """


def histogram_w2(
    x: ArrayLike,
    y: ArrayLike,
    *,
    bins: int | Sequence[int] = 24,
    box: Literal["reference", "joint"] | ArrayLike = "reference",
    period: float | Sequence[float] | None = None,
    warm_start: HistogramW2 | None = None,
    threads: int | None = None,
) -> HistogramW2:
    """Histogram two clouds on one grid and measure the exact W2 between the histograms.

    Mass sits at the centres of the cells; only occupied cells take part. Grids with more than 64
    cells for every occupied one (and more than 65 536, or more than eight axes) are solved as
    clouds of cell centres, in floating point and certified to rounding.

    Args:
        x: points, ``(n, d)``.
        y: points of the reference, ``(m, d)``.
        bins: cells per axis, one number or ``d``.
        box: ``"reference"`` for the 0.1 % to 99.9 % quantiles of ``y`` plus 5 % of that range on
            each side; ``"joint"`` for the exact bounding box of both clouds; or the ends
            themselves, ``(d, 2)``. Points outside count in the nearest cell.
        period: periods of a torus ``[0, period)`` instead of a box, one number or ``d``.
        warm_start: result of an earlier problem on the same grid whose clouds were like these; one
            of another grid is left alone. :class:`HistogramSequence` passes it on by itself.
        threads: number of threads; the package default if not given.

    Returns:
        The distance with box, plan and certificate.

    Raises:
        ShapeError: shapes do not fit, or a cloud is empty.
        InputError: NaN or infinite entries, no bins, an unknown rule, or histograms that need more
            memory than the machine has.

    Example:
        >>> import numpy as np, twostep_rs as ts
        >>> x = np.array([[0.1, 0.1], [0.9, 0.9]])
        >>> distance = ts.ot.histogram_w2(x, x[:1], bins=10, box=[(0, 1), (0, 1)])
        >>> distance.in_cells, round(distance.w2_squared, 12)
        (Fraction(64, 1), 0.64)
    """
    shape: tuple[int, ...] = getattr(y, "shape", ())
    if len(shape) == 2:
        check_histograms_fit(x, y, _bins(bins, shape[1]))
    points, reference = as_points("x", x), as_points("y", y)
    dim = reference.shape[1]
    counts = _bins(bins, dim)
    ends = None if isinstance(box, str) else _ends(box, dim)
    periods = None if period is None else np.broadcast_to(period, (dim,)).astype(float).tolist()
    raw = _core.histogram_w2(
        points,
        reference,
        counts,
        box if isinstance(box, str) else "joint",
        ends,
        periods,
        raw_of("warm_start", warm_start, HistogramW2),
        as_threads(threads),
    )
    return HistogramW2(raw, counts)


class HistogramSequence:
    """Distances of a cloud that changes little by little to one reference, on one grid.

    Every call solves one problem exactly, from the duals of the last one.

    Args:
        y: points of the reference, ``(m, d)``.
        bins: as for :func:`histogram_w2`.
        box: as for :func:`histogram_w2`, but for ``"joint"``, which would move with the cloud.
        period: as for :func:`histogram_w2`.
        threads: number of threads; the package default if not given.

    Attributes:
        last: the result of the last call; None before the first one.

    Raises:
        InputError: ``box`` is ``"joint"``.

    Example:
        >>> import numpy as np, twostep_rs as ts
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(2, 2000, 2))
        >>> measure = ts.ot.HistogramSequence(y)
        >>> [measure(x + 0.01 * step).warm for step in range(3)]
        [False, True, True]
    """

    def __init__(
        self,
        y: ArrayLike,
        *,
        bins: int | Sequence[int] = 24,
        box: Literal["reference"] | ArrayLike = "reference",
        period: float | Sequence[float] | None = None,
        threads: int | None = None,
    ) -> None:
        if isinstance(box, str) and box == "joint":
            raise InputError("box: expected 'reference' or ends, got 'joint'")
        self.y = y
        self.bins = bins
        self.box = box
        self.period = period
        self.threads = threads
        self.last: HistogramW2 | None = None

    def __call__(self, x: ArrayLike) -> HistogramW2:
        """Measure the distance of ``x`` to the reference.

        Args:
            x: points, ``(n, d)``.

        Returns:
            The distance; ``warm`` says where it started.

        Raises:
            InputError: as for :func:`histogram_w2`. The last result is kept.
        """
        self.last = histogram_w2(
            x,
            self.y,
            bins=self.bins,
            box=self.box,
            period=self.period,
            warm_start=self.last,
            threads=self.threads,
        )
        return self.last


def _bins(bins: int | Sequence[int], dim: int) -> list[int]:
    counts = np.asarray(bins)
    if counts.dtype.kind not in "iu" or counts.shape not in ((), (dim,)):
        raise InputError(f"bins: expected one integer or {dim}, got {bins!r}")
    if (counts < 1).any():
        raise InputError(f"bins: expected at least 1 per axis, got {bins!r}")
    return [int(count) for count in np.broadcast_to(counts, (dim,))]


def _ends(box: ArrayLike, dim: int) -> tuple[list[float], list[float]]:
    shape = np.shape(box)
    if shape != (dim, 2):
        raise ShapeError(
            f"box: expected 'reference', 'joint' or ends of shape ({dim}, 2), got {shape}"
        )
    return ends_of(box, dim)
