"""Checkpoints: written whole or not at all, and read with suspicion."""

from __future__ import annotations

import contextlib
import io
import os
import time
from pathlib import Path
from typing import Any

import torch

from twostep_rs.errors import FileFormatError, RunDirectoryError

_FORMAT = "twostep checkpoint 1"


class CheckpointFile:
    """Where a training saves its state.

    Args:
        path: the file; its directory must exist.
        every_seconds: time between two checkpoints.
    """

    def __init__(self, path: str | os.PathLike[str], every_seconds: float = 30.0) -> None:
        self.path = Path(path)
        self._every = every_seconds
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether it is time for the next checkpoint."""
        return time.monotonic() - self._last >= self._every

    def save(self, fingerprint: str, state: dict[str, Any]) -> None:
        """Write ``state``; a kill at any moment leaves this or the last checkpoint whole.

        Raises:
            RunDirectoryError: the file cannot be written.
        """
        content = {"format": _FORMAT, "fingerprint": fingerprint, "state": state}
        written = _serialised(content)
        partial = self.path.with_name(self.path.name + ".part")
        try:
            with partial.open("wb") as file:
                file.write(written)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise RunDirectoryError(f"{self.path}: cannot be written ({error})") from error
        self._last = time.monotonic()

    def load(self, fingerprint: str) -> dict[str, Any] | None:
        """The state that was saved, or None where nothing was.

        Raises:
            FileFormatError: the file is no whole checkpoint, or of another training.
        """
        if not self.path.exists():
            return None
        try:
            # Generators live on the CPU; everything else is copied to its place on restoring.
            content = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception as error:  # torch promises no exception type for a broken file
            raise FileFormatError(
                f"{self.path}: expected a checkpoint, got a file that is truncated or foreign"
            ) from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise FileFormatError(f"{self.path}: format: expected {_FORMAT!r}, got another file")
        if content.get("fingerprint") != fingerprint:
            raise FileFormatError(
                f"{self.path}: fingerprint: expected a checkpoint of this configuration, data and "
                "seed, got one of another training"
            )
        state: dict[str, Any] = content["state"]
        return state


def _serialised(content: dict[str, Any]) -> memoryview:
    """The bytes of a checkpoint.

    They are made in memory, since Ctrl-C may cut them short: torch then still writes the end of its
    file when it lets go of it, and ends the process where that has been closed meanwhile.
    """
    buffer = io.BytesIO()
    try:
        torch.save(content, buffer)
    except RuntimeError as error:
        if _by_interrupt(error):
            raise KeyboardInterrupt from error
        raise
    return buffer.getbuffer()


def _by_interrupt(error: BaseException | None) -> bool:
    """Whether it came of Ctrl-C: torch ends a file that is cut short with an error of its own."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
