"""Work that is spread over threads and comes out the same for any number of them."""

from __future__ import annotations

import contextlib
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
            self._pool = ThreadPoolExecutor(self._threads, "twostep", torch.set_num_threads, (1,))
        return list(self._pool.map(work, parts))


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread here, for parts of work and what joins them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
