"""Memory that a transport problem needs, against what the machine has."""

from __future__ import annotations

from typing import Any

from twostep_rs._memory import check_fits

#: Measured at 20 000 and at 100 000 points a side in three dimensions: 380 and 400.
_BYTES_PER_POINT = 400

#: The costs as float64 and the plan as a dense matrix, beside the caller's own array.
_BYTES_PER_ENTRY = 16


def check_points_fit(x: Any, y: Any) -> None:
    """Refuse clouds whose transport needs more memory than there is, before any is taken.

    Args:
        x: sources; looked at only if they have a ``shape``.
        y: targets, likewise.

    Raises:
        InputError: the estimate exceeds the memory of the machine.
    """
    shapes: list[tuple[int, ...]] = [getattr(points, "shape", ()) for points in (x, y)]
    if all(len(shape) == 2 for shape in shapes):
        n, m = (int(shape[0]) for shape in shapes)
        check_fits("x, y", f"{n} and {m} points", (n + m) * _BYTES_PER_POINT)


def check_matrix_fits(M: Any) -> None:
    """Refuse a cost matrix whose transport needs more memory than there is.

    Args:
        M: costs; looked at only if they have a ``shape``.

    Raises:
        InputError: the estimate exceeds the memory of the machine.
    """
    shape: tuple[int, ...] = getattr(M, "shape", ())
    if len(shape) == 2:
        n, m = (int(count) for count in shape)
        check_fits("M", f"{n} x {m} entries", n * m * _BYTES_PER_ENTRY)
