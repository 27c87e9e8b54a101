"""Wall times, with what a device still has to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable


def seconds(device: torch.device, work: Callable[[], object], count: int) -> float:
    """Wall time of ``count`` calls, to the end of what they put on the device."""
    _wait(device)
    started = time.perf_counter()
    for _ in range(count):
        work()
    _wait(device)
    return time.perf_counter() - started


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
