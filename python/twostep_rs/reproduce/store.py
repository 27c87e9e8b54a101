"""Where jobs and results lie, and which jobs are done.

::

    DIRECTORY/jobs/NAME/              what the job leaves, for example a run directory
    DIRECTORY/done/NAME.json          what was done, in how many seconds and with how much memory
    DIRECTORY/logs/NAME.txt           what it said
    DIRECTORY/PRESET/TARGET/          result.json, result.md and figures
"""

from __future__ import annotations

import datetime
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from twostep_rs.errors import RunDirectoryError
from twostep_rs.reproduce.job import DOCUMENT
from twostep_rs.runs.environment import environment
from twostep_rs.runs.files import read_json, take, write_json

if TYPE_CHECKING:
    from pathlib import Path

    from twostep_rs.reproduce.job import Job

_NAME = re.compile(r"[\w.-]+(/[\w.-]+)*", re.ASCII)
_NUMBER = (int, float)
_LATER = "processor_seconds"


@dataclass(frozen=True)
class Cost:
    """What the last session of a job took.

    Attributes:
        seconds: wall time.
        peak_memory_mb: largest resident memory of its process.
        peak_gpu_memory_mb: largest memory of torch's tensors on a GPU; 0 without one.
        processor_seconds: time of all its threads and children, which other work on the machine
            changes little; ``None`` in records from before it was measured.
    """

    seconds: float
    peak_memory_mb: float
    peak_gpu_memory_mb: float
    processor_seconds: float | None = None


@dataclass(frozen=True)
class Store:
    """A directory of jobs and results.

    Attributes:
        directory: where it is.
    """

    directory: Path

    def absolute(self) -> Store:
        """The same for processes that work elsewhere."""
        return Store(self.directory.resolve())

    def path(self, job: Job) -> Path:
        """The directory of a job."""
        return self._place("jobs", job, "")

    def log(self, job: Job) -> Path:
        """What the job said."""
        return self._place("logs", job, ".txt")

    def document(self, job: Job) -> dict[str, Any]:
        """What a :class:`Computation` returned.

        Raises:
            FileFormatError: it is missing or damaged.
        """
        return read_json(self.path(job) / DOCUMENT)

    def finished(self, job: Job) -> bool:
        """Whether the job is done.

        Raises:
            RunDirectoryError: another job of this name was.
            FileFormatError: the record is damaged.
        """
        record = self._record(job)
        if not record.exists():
            return False
        done = take(record, read_json(record), "job", dict)
        asked = json.loads(json.dumps(job.description()))
        if done != asked:
            raise RunDirectoryError(
                f"{record}: expected the job that is asked for, got another one: "
                f"{_difference(done, asked)}; take another directory"
            )
        return True

    def finish(self, job: Job, cost: Cost) -> None:
        """Note that the job is done.

        Raises:
            RunDirectoryError: there is no space or no permission.
        """
        write_json(
            self._record(job),
            {
                "job": job.description(),
                **asdict(cost),
                "day": datetime.datetime.now(datetime.UTC).date().isoformat(),
                "environment": environment(),
            },
        )

    def cost(self, job: Job) -> Cost:
        """What it took.

        Raises:
            FileFormatError: the record is missing or damaged.
        """
        path = self._record(job)
        record = read_json(path)
        known = [name for name in Cost.__annotations__ if name != _LATER or record.get(name)]
        return Cost(**{name: float(take(path, record, name, _NUMBER)) for name in known})

    def environment(self, job: Job) -> dict[str, Any]:
        """Versions and machine of its last session.

        Raises:
            FileFormatError: the record is missing or damaged.
        """
        path = self._record(job)
        found: dict[str, Any] = take(path, read_json(path), "environment", dict)
        return found

    def day(self, job: Job) -> str | None:
        """The day on which it was done; ``None`` in records from before it was noted.

        Raises:
            FileFormatError: the record is missing or damaged.
        """
        path = self._record(job)
        record = read_json(path)
        return str(take(path, record, "day", str)) if "day" in record else None

    def _record(self, job: Job) -> Path:
        return self._place("done", job, ".json")

    def _place(self, kind: str, job: Job, ending: str) -> Path:
        if not _NAME.fullmatch(job.name) or ".." in job.name.split("/"):
            raise RunDirectoryError(f"job: expected a relative path as its name, got {job.name!r}")
        return self.directory / kind / f"{job.name}{ending}"


def _difference(one: Any, other: Any, place: str = "") -> str:
    """The first entry that differs."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            if one.get(key) != other.get(key):
                return _difference(one.get(key), other.get(key), f"{place}.{key}".lstrip("."))
    return f"{place} was {one!r}, not {other!r}"
