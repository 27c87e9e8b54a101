"""``distances.jsonl``: the distances of an evaluation that is under way, one a line.

A distance is written as soon as it is found, so that a killed evaluation loses none but those that
it was working on. The file is removed when the evaluation is written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twostep_rs.errors import RunDirectoryError
from twostep_rs.runs.files import unwritable

if TYPE_CHECKING:
    from pathlib import Path

_APPENDING = threading.Lock()


@dataclass(frozen=True)
class Key:
    """Which distance of an evaluation.

    Attributes:
        metric: name of the metric.
        box: box rule of a histogram in free space, else None.
        parameter: parameter of the system.
        stage: of a score; None for a distance between references.
        role: ``score``, ``floor``, or ``particles``: between clouds of the simulator.
        pair: number of the pair of clouds.
    """

    metric: str
    box: str | None
    parameter: float
    role: str
    stage: int | None
    pair: int


@dataclass(frozen=True)
class DistanceLog:
    """The file, and what its distances have to come from to be of use.

    Attributes:
        path: of the file.
        floor: fingerprint of what determines distances that need no model.
        scores: of what determines those of its stages; None where there are none.
    """

    path: Path
    floor: str
    scores: str | None = None

    def read(self) -> dict[Key, float]:
        """The distances that were found from the same; the last one of each key.

        A line that a kill cut short, or that says something else, is passed over.

        Raises:
            RunDirectoryError: there is no permission.
        """
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise RunDirectoryError(
                f"{self.path}: expected a file that can be read, got {error.strerror or error}"
            ) from error
        entries = (_entry(line) for line in text.split("\n"))
        return {
            key: value
            for key, value, made_of in filter(None, entries)
            if made_of == self._fingerprint(key)
        }

    def append(self, key: Key, w2_squared: float) -> None:
        """Write a distance; from any thread.

        Raises:
            RunDirectoryError: there is no space or no permission.
        """
        values = {
            **dataclasses.asdict(key),
            "w2_squared": w2_squared,
            "of": self._fingerprint(key),
        }
        # The line break comes first: it also ends a line that a kill cut short.
        line = f"\n{json.dumps(values)}".encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with _APPENDING, self.path.open("ab", buffering=0) as file:
                file.write(line)
        except OSError as error:
            raise RunDirectoryError(unwritable(self.path, error)) from error

    def remove(self) -> None:
        """Remove the file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    def _fingerprint(self, key: Key) -> str | None:
        return self.scores if key.role == "score" else self.floor


def _entry(line: str) -> tuple[Key, float, Any] | None:
    """Key, distance and fingerprint of a line, if it is whole."""
    try:
        values = json.loads(line)
        w2_squared, made_of = values.pop("w2_squared"), values.pop("of")
        key = Key(**values)
        hash(key)
    except (ValueError, AttributeError, KeyError, TypeError):
        return None
    if not isinstance(w2_squared, float) or not math.isfinite(w2_squared) or made_of is None:
        return None
    return key, w2_squared, made_of
