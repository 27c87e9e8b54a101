"""``metrics.jsonl``: one line per logged step, without repeats after a resume."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any

from twostep_rs.errors import FileFormatError, RunDirectoryError
from twostep_rs.runs.files import unwritable, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class MetricsLog:
    """Appends rows of one stage.

    A killed session logs a little beyond its last checkpoint. The first row of the next session
    drops those. Every key that begins with ``seconds`` goes on counting where the checkpoint was.
    """

    def __init__(self, path: Path, stage: int) -> None:
        self._path = path
        self._stage = stage
        self._start = time.perf_counter()
        self._earlier: dict[str, float] | None = None

    def __call__(self, row: Mapping[str, float]) -> None:
        """Append a row; it must have a ``step``.

        Raises:
            RunDirectoryError: there is no space or no permission.
            FileFormatError: the file holds something else.
        """
        if self._earlier is None:
            self._earlier = self._drop_from(row["step"])
        seconds = time.perf_counter() - self._start
        logged: dict[str, Any] = {"stage": self._stage}
        for key, value in {**row, "step": int(row["step"]), "seconds": seconds}.items():
            if key.startswith("seconds"):
                logged[key] = round(value + self._earlier.get(key, 0.0), 3)
            else:
                logged[key] = value if math.isfinite(value) else None
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(logged) + "\n")
        except OSError as error:
            raise RunDirectoryError(unwritable(self._path, error)) from error

    def _drop_from(self, step: float) -> dict[str, Any]:
        """Drop rows of this stage from ``step`` on; the last one that stays, if any."""
        rows = read_metrics(self._path)
        kept = [row for row in rows if row["stage"] != self._stage or row["step"] < step]
        # Always written anew: the last line may be half a line.
        write_atomically(self._path, "".join(json.dumps(row) + "\n" for row in kept).encode())
        mine = [row for row in kept if row["stage"] == self._stage]
        return mine[-1] if mine else {}


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All rows; none where there is no file. A last line that a kill cut short is left out.

    Raises:
        FileFormatError: a line is no row.
    """
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    rows = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            row = json.loads(line)
            whole = {"stage", "step", "seconds"} <= row.keys()
        except (ValueError, AttributeError):
            whole = False
        if not whole:
            raise FileFormatError(f"{path}: line {number}: expected a row of JSON, got {line!r}")
        rows.append(row)
    return rows
