"""How many threads torch uses for networks this small."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROWS_PER_THREAD = 1024


@contextlib.contextmanager
def threads_for(rows: int) -> Iterator[None]:
    """Let torch use at most one thread for every 1024 rows of a batch.

    With fewer rows each, threads wait for each other longer than they compute; where another
    process holds one of the cores, a step takes tens of times longer.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, max(1, rows // _ROWS_PER_THREAD)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
