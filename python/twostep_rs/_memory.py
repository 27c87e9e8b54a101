"""Memory that a problem needs, against what the machine has."""

from __future__ import annotations

import os

from twostep_rs.errors import InputError

_CGROUP_LIMIT = "/sys/fs/cgroup/memory.max"

#: Bytes that are there wherever an interpreter with NumPy runs: asking would take longer than
#: many a small problem.
_ALWAYS_THERE = 2**24


def machine_memory() -> float:
    """Bytes of memory of this machine, or of its container; infinite where neither tells."""
    try:
        memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        memory = float("inf")
    from pathlib import Path

    try:
        limit = Path(_CGROUP_LIMIT).read_text().strip()
    except OSError:
        return memory
    return memory if limit == "max" else min(memory, float(limit))


def check_fits(name: str, size: str, needed: float) -> None:
    """Refuse a problem that needs more memory than there is, before any is taken.

    Args:
        name: argument that makes it so large.
        size: how large that is, in words.
        needed: bytes.

    Raises:
        InputError: they exceed the memory of the machine.
    """
    if needed <= _ALWAYS_THERE:
        return
    memory = machine_memory()
    if needed > memory:
        raise InputError(
            f"{name}: expected a problem that fits into {memory / 1e9:.1f} GB of memory, got "
            f"{size} that need about {needed / 1e9:.1f} GB"
        )
