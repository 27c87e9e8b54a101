"""Memory that a problem needs, against what the machine has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twostep_rs.errors import InputError

#: Measured at 20 000 and at 100 000 points a side in three dimensions: 380 and 400.
_BYTES_PER_POINT = 400

#: The costs as float64 and the plan as a dense matrix, beside the caller's own array.
_BYTES_PER_ENTRY = 16

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def machine_memory() -> float:
    """Bytes of memory of this machine, or of its container; infinite where neither tells."""
    try:
        memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        memory = float("inf")
    try:
        limit = _CGROUP_LIMIT.read_text().strip()
    except OSError:
        return memory
    return memory if limit == "max" else min(memory, float(limit))


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
        _refuse_beyond("x, y", f"{n} and {m} points", (n + m) * _BYTES_PER_POINT)


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
        _refuse_beyond("M", f"{n} x {m} entries", n * m * _BYTES_PER_ENTRY)


def _refuse_beyond(name: str, size: str, needed: int) -> None:
    memory = machine_memory()
    if needed > memory:
        raise InputError(
            f"{name}: expected a problem that fits into {memory / 1e9:.1f} GB of memory, got "
            f"{size} that need about {needed / 1e9:.1f} GB"
        )
