"""Whether something works here, tried in a process of its own, which it may end."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection


def failure(work: Callable[..., object], *arguments: Any) -> str | None:
    """Do the work in another process; why it failed, or None where it did not.

    Args:
        work: a function of a module, which the other process imports anew.
        arguments: of it, which can be pickled.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_told, args=(there, work, *arguments))
    process.start()
    there.close()
    try:
        reason: str | None = here.recv()
    except EOFError:  # it ended without a word
        process.join()
        return _ending(process.exitcode or 0)
    process.join()
    # Some libraries crash when a process that has used them ends.
    return reason or (_ending(process.exitcode) if process.exitcode else None)


def _told(there: Connection, work: Callable[..., object], *arguments: Any) -> None:
    try:
        work(*arguments)
    except Exception:
        there.send(traceback.format_exc(limit=-3))
    else:
        there.send(None)


def _ending(code: int) -> str:
    if code < 0:
        return f"its process ended by {signal.Signals(-code).name}"
    return f"its process ended with status {code}"
