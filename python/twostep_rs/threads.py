"""How many threads the Rust kernels use."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from twostep_rs import _core
from twostep_rs.errors import DtypeError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

# What the last set_num_threads said.
_chosen: int | None = None


def get_num_threads() -> int:
    """Number of threads that a call uses when it does not say ``threads=``.

    The first of these that is set: :func:`set_num_threads`, the environment variables
    ``TWOSTEP_NUM_THREADS`` and ``RAYON_NUM_THREADS``, else the cores this process may use
    (limits of its container included) divided by the processes of a distributed run
    (``LOCAL_WORLD_SIZE``).

    Returns:
        A positive number.
    """
    return _core.default_threads()


@contextlib.contextmanager
def num_threads(threads: int | None) -> Iterator[None]:
    """Use so many threads meanwhile, in every call that does not say; ``None`` changes nothing."""
    if threads is None:
        yield
        return
    before = _chosen
    set_num_threads(threads)
    try:
        yield
    finally:
        set_num_threads(before)


def set_num_threads(threads: int | None) -> None:
    """Set the number of threads that calls of this process use when they do not say.

    The results of every function are the same for any number of threads.

    Args:
        threads: at least 1 (a pool has at most 1024), or ``None`` to go back to the rule of
            :func:`get_num_threads`.

    Raises:
        DtypeError: if ``threads`` is not an integer.
        InputError: if ``threads`` is below 1.

    Example:
        >>> set_num_threads(2)
        >>> get_num_threads()
        2
        >>> set_num_threads(None)
    """
    global _chosen
    if threads is None:
        _core.set_default_threads(0)
        _chosen = None
        return
    if isinstance(threads, bool) or not hasattr(threads, "__index__"):
        raise DtypeError(f"threads: expected an integer or None, got {threads!r}")
    if threads < 1:
        raise InputError(f"threads: expected at least 1, got {threads}")
    _core.set_default_threads(threads)
    _chosen = threads
