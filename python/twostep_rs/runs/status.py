"""``status.json``: which steps of a run are done, how long they took, and on what machine."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from twostep_rs.errors import FileFormatError
from twostep_rs.runs.files import read_json, take, write_json

if TYPE_CHECKING:
    from pathlib import Path

Step = Literal["simulate", "stage_1", "stage_2", "evaluate", "converge", "plot", "report"]
STEPS: tuple[Step, ...] = get_args(Step)

FORMAT = 1


@dataclass
class Status:
    """What is known of a run.

    Attributes:
        done: seconds of every step that is done, and of the ``couplings`` within ``stage_2``.
        trained_with: configuration of the steps that are done, by key.
        environment: versions and machine of the last session.
    """

    done: dict[str, float] = field(default_factory=dict)
    trained_with: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the status atomically.

        Raises:
            RunDirectoryError: there is no space or no permission.
        """
        write_json(path, {"format": FORMAT, **dataclasses.asdict(self)})

    @classmethod
    def read(cls, path: Path) -> Status:
        """Read a status; an empty one where there is no file.

        Raises:
            FileFormatError: the file is foreign, damaged or of another version.
        """
        if not path.exists():
            return cls()
        document = read_json(path)
        version = take(path, document, "format", int)
        if version != FORMAT:
            raise FileFormatError(f"{path}: format: expected {FORMAT}, got {version}")
        done = take(path, document, "done", dict)
        for name in done:
            if name not in (*STEPS, "couplings"):
                raise FileFormatError(f"{path}: done: expected steps of a run, got {name!r}")
            take(path, done, name, (int, float))
        trained_with = take(path, document, "trained_with", dict)
        return cls(done, trained_with, take(path, document, "environment", dict))
