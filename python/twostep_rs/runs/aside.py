"""Work in a process of its own, which gives way to what trains meanwhile."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import IO, TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

Result = TypeVar("Result")

_NICE = 10


@contextlib.contextmanager
def aside(work: Callable[..., Result], *arguments: object) -> Iterator[Future[Result | None]]:
    """Call ``work(*arguments)`` in another process of low priority.

    A thread would share the lock of the interpreter and, with the same priority, the cores. The
    process is killed where the block is left, and ends by itself where this process is killed;
    Ctrl-C reaches this process alone.

    Args:
        work: a function of a module.
        arguments: what pickle can write.

    Yields:
        What it returns; None where the process could not do it, for whatever reason, so that
        whoever needs it has to do the work, or to see the error.
    """
    with (
        subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,
        ThreadPoolExecutor(1, "twostep-aside") as pool,
    ):
        assert process.stdin is not None
        try:
            yield pool.submit(_ask, process, (work, arguments))
        finally:
            process.kill()
            with contextlib.suppress(OSError):
                process.stdin.close()


def _ask(
    process: subprocess.Popen[bytes], task: tuple[Callable[..., Result], tuple[object, ...]]
) -> Result | None:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(pickle.dumps(sys.path) + pickle.dumps(task))
        process.stdin.flush()
        found: Result = pickle.load(process.stdout)  # noqa: S301
    except (OSError, EOFError, pickle.PickleError, AttributeError, TypeError):
        return None
    return found


def _serve(task: IO[bytes], answer: IO[bytes]) -> None:
    """Do what is asked for, once."""
    if hasattr(os, "nice"):
        os.nice(_NICE)
    sys.path[:] = pickle.load(task)  # noqa: S301
    work, arguments = pickle.load(task)  # noqa: S301
    # Nothing more comes: the end of the stream is that of the other process.
    threading.Thread(target=_end_after, args=(task,), daemon=True).start()
    pickle.dump(work(*arguments), answer, pickle.HIGHEST_PROTOCOL)
    answer.flush()


def _end_after(stream: IO[bytes]) -> None:
    while os.read(stream.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # what the work may say is no answer
        _serve(sys.stdin.buffer, answer)
