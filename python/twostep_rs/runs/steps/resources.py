"""What a step computes with: threads and device."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from twostep_rs.threads import set_num_threads

if TYPE_CHECKING:
    from collections.abc import Iterator


def require_device(device: str) -> None:
    """Refuse a device that is not there, before any work.

    Raises:
        DeviceError: it is not there.
    """
    if device == "cpu":  # spares those without networks the import of torch
        return
    from twostep_rs.training.device import resolve_device

    resolve_device(device)


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Use that many threads in the solvers and in torch; their defaults where it is None."""
    if count is None:
        yield
        return
    torch = sys.modules.get("torch")  # steps without networks do without
    before = None if torch is None else torch.get_num_threads()
    set_num_threads(count)
    if torch is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        set_num_threads(None)
        if torch is not None:
            torch.set_num_threads(before)
