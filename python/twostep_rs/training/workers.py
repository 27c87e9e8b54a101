"""Work that is spread over threads and comes out the same for any number of them."""

from __future__ import annotations

import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import torch

from twostep_rs.threads import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Part = TypeVar("Part")
Result = TypeVar("Result")


class Workers:
    """Threads that each compute with one thread of torch.

    torch cuts sums and matrix products differently for every number of threads. Here the caller
    cuts the work, into parts that do not depend on the threads, and each part is computed by one.

    Args:
        threads: at most so many; the package default if not given.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or get_num_threads()
        self._pool: ThreadPoolExecutor | None = None

    def map(self, work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
        """``work`` of every part, in order."""
        if min(self._threads, len(parts)) <= 1:
            return [work(part) for part in parts]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, "twostep", _alone)
        return list(self._pool.map(work, parts))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread here, for parts of work and what joins them.

    Numbers too small for the exponent of their type are zero meanwhile, as in the threads of
    :class:`Workers`: a processor takes tens of times as long over them, and the plans between
    clouds are full of them.
    """
    before, flushes = torch.get_num_threads(), _flushes()
    _alone()
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(flushes)


def _alone() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _flushes() -> bool:
    """Whether this thread takes numbers below the normal ones for zero."""
    return sys.float_info.min / 2.0 == 0.0
