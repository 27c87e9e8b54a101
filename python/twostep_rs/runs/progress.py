"""Progress of long steps: a bar on a terminal, a line every 30 seconds in a log file."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Advance = Callable[[int, int], None]

_SECONDS_BETWEEN_LINES = 30.0


class Progress(Protocol):
    """Where a run reports what it is doing."""

    def task(self, title: str) -> contextlib.AbstractContextManager[Advance]:
        """Begin a step; the function that is given is called as ``advance(done, total)``."""
        ...

    def note(self, text: str) -> None:
        """Say one thing."""
        ...


class Silent:
    """Says nothing."""

    @contextlib.contextmanager
    def task(self, title: str) -> Iterator[Advance]:
        """Begin a step."""
        del title
        yield lambda done, total: None

    def note(self, text: str) -> None:
        """Say one thing: not here."""


class Lines:
    """Plain lines: one when a step begins and ends, one every 30 seconds in between."""

    def __init__(self, stream: TextIO, seconds: float = _SECONDS_BETWEEN_LINES) -> None:
        self._stream = stream
        self._seconds = seconds

    @contextlib.contextmanager
    def task(self, title: str) -> Iterator[Advance]:
        """Begin a step."""
        start = last = time.monotonic()
        self.note(f"{title} ...")

        def advance(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last >= self._seconds:
                last = now
                self.note(f"{title}: {done} of {total}, {_clock(now - start)}")

        yield advance
        self.note(f"{title}: done, {_clock(time.monotonic() - start)}")

    def note(self, text: str) -> None:
        """Write one line."""
        print(text, file=self._stream, flush=True)


class Bar:
    """A bar for every step, drawn with rich on a terminal or in a notebook."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console

        self._console = Console(file=stream)

    @contextlib.contextmanager
    def task(self, title: str) -> Iterator[Advance]:
        """Begin a step."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description:<22}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console) as progress:
            task = progress.add_task(title, total=None)

            def advance(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            yield advance

    def note(self, text: str) -> None:
        """Write one line."""
        self._console.print(text, markup=False, highlight=False)


def choose(stream: TextIO | None = None) -> Progress:
    """A bar where somebody looks and rich is installed, else lines.

    Args:
        stream: where to draw; standard error by default.
    """
    stream = sys.stderr if stream is None else stream
    try:
        import rich
    except ImportError:
        return Lines(stream)
    if stream.isatty() or rich.get_console().is_jupyter:
        return Bar(stream)
    return Lines(stream)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
