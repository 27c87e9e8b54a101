"""Memory that a transport problem needs, against what the machine has."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from twostep_rs._memory import check_fits

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Measured with 5000, 20 000 and 100 000 points a side in three dimensions (450, 380 and 400) and
#: with 5000 in eight (680): copies, blocks, candidate arcs and the tree.
_BYTES_PER_POINT = 250
_BYTES_PER_COORDINATE = 50

#: The costs as float64 and the plan as a dense matrix, beside the caller's own array; without the
#: dense plan 9 were measured.
_BYTES_PER_ENTRY = 16

#: Measured with 2e6 points on 24^3 cells (32 a point of three coordinates), with 131 000 occupied
#: cells of 60^3 (600 each), and with 38 000 of 108^3 (110 for each cell, empty or not).
_BYTES_PER_COUNTED_COORDINATE = 8
_BYTES_PER_OCCUPIED = 600
_BYTES_PER_CELL = 110

#: Beyond these cells, and these for each occupied one, a histogram is solved as a cloud.
_FEW_CELLS, _CELLS_PER_OCCUPIED = 2**16, 64


def check_points_fit(x: Any, y: Any) -> None:
    """Refuse clouds whose transport needs more memory than there is, before any is taken.

    Args:
        x: sources; looked at only if they have a ``shape``.
        y: targets, likewise.

    Raises:
        InputError: the estimate exceeds the memory of the machine.
    """
    check_batch_fits([x], [y], ("x", "y"))


def check_batch_fits(
    xs: Sequence[Any], ys: Sequence[Any], names: tuple[str, str] = ("xs", "ys")
) -> None:
    """Refuse problems that need more memory together than there is: their plans stay.

    Args:
        xs: sources of every problem; looked at only if they have a ``shape``.
        ys: targets of every problem, likewise.
        names: of both arguments.

    Raises:
        InputError: the estimate exceeds the memory of the machine.
    """
    shapes = [[_shape(cloud) for cloud in clouds] for clouds in (xs, ys)]
    n, m = (sum(shape[0] for shape in side if len(shape) == 2) for side in shapes)
    needed = sum(
        shape[0] * (_BYTES_PER_POINT + _BYTES_PER_COORDINATE * shape[1])
        for side in shapes
        for shape in side
        if len(shape) == 2
    )
    check_fits(", ".join(names), f"{n} and {m} points", needed)


def check_matrix_fits(M: Any) -> None:
    """Refuse a cost matrix whose transport needs more memory than there is.

    Args:
        M: costs; looked at only if they have a ``shape``.

    Raises:
        InputError: the estimate exceeds the memory of the machine.
    """
    shape = _shape(M)
    if len(shape) == 2:
        n, m = shape
        check_fits("M", f"{n} x {m} entries", n * m * _BYTES_PER_ENTRY)


def check_histograms_fit(x: Any, y: Any, bins: Sequence[int]) -> None:
    """Refuse histograms that need more memory than there is.

    Args:
        x: points; looked at only if they have a ``shape``.
        y: points of the reference, likewise.
        bins: cells per axis.

    Raises:
        InputError: the estimate exceeds the memory of the machine.
    """
    shapes = [_shape(points) for points in (x, y)]
    if not all(len(shape) == 2 for shape in shapes):
        return
    cells = math.prod(bins)
    points = sum(shape[0] for shape in shapes)
    occupied = sum(min(shape[0], cells) for shape in shapes)
    counted = points * (len(bins) + 1) * _BYTES_PER_COUNTED_COORDINATE
    if cells <= max(_FEW_CELLS, _CELLS_PER_OCCUPIED * occupied):
        solved = occupied * _BYTES_PER_OCCUPIED + cells * _BYTES_PER_CELL
    else:
        solved = occupied * (_BYTES_PER_POINT + _BYTES_PER_COORDINATE * len(bins))
    check_fits("x, y, bins", f"{points} points in {cells} cells", counted + solved)


def check_grids_fit(a: Any, b: Any) -> None:
    """Refuse grids that need more memory than there is.

    Args:
        a: weights; looked at only if they have a ``shape``.
        b: weights, likewise.

    Raises:
        InputError: the estimate exceeds the memory of the machine.
    """
    cells = max(math.prod(shape) if (shape := _shape(side)) else 0 for side in (a, b))
    needed = cells * (_BYTES_PER_CELL + 2 * _BYTES_PER_OCCUPIED)
    check_fits("a, b", f"{cells} cells", needed)


def _shape(array: Any) -> tuple[int, ...]:
    return tuple(int(count) for count in getattr(array, "shape", ()))
