"""Which jobs can begin: each when what it needs is done."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from twostep_rs.reproduce.engines import Engine
    from twostep_rs.reproduce.job import Job
    from twostep_rs.reproduce.store import Store
    from twostep_rs.runs.progress import Progress


@dataclass(frozen=True)
class Failure:
    """A job that was not done.

    Attributes:
        job: which.
        reason: why, in words.
    """

    job: Job
    reason: str


def in_order(jobs: Iterable[Job]) -> dict[str, Job]:
    """The jobs and all they need, each once and behind what it needs, by name.

    Raises:
        ConfigError: two different jobs have one name, or jobs need each other.
    """
    found: dict[str, Job] = {}
    for job in jobs:
        _collect(job, found, ())
    return found


def _collect(job: Job, found: dict[str, Job], path: tuple[str, ...]) -> None:
    if job.name in path:
        raise ConfigError(f"jobs: expected an order, got {' needs '.join((*path, job.name))}")
    if job.name in found:
        if found[job.name].description() != job.description():
            raise ConfigError(f"jobs: expected one of each name, got two of {job.name!r}")
        return
    for needed in job.needs:
        _collect(needed, found, (*path, job.name))
    found[job.name] = job


def run_jobs(
    jobs: Iterable[Job], store: Store, engine: Engine, progress: Progress
) -> list[Failure]:
    """Do the jobs that are not done yet.

    A job that fails costs those that need it; the others go on.

    Args:
        jobs: what to do, with all they need.
        store: where.
        engine: what does them; it is closed at the end.
        progress: where to report.

    Returns:
        The jobs that are not done, and why.

    Raises:
        ConfigError: the jobs contradict each other.
        RunDirectoryError: another job of the same name was done there.
        KeyboardInterrupt: on Ctrl-C; the jobs in flight are stopped and can go on.
    """
    with contextlib.closing(engine), progress.task("jobs") as advance:
        every = in_order(jobs)
        schedule = _Schedule(every, {name for name, job in every.items() if store.finished(job)})
        running: dict[str, float] = {}
        while True:
            for job in schedule.ready(set(running), engine.places - len(running)):
                progress.note(f"{job.name}: begun")
                engine.start(job, store)
                running[job.name] = time.monotonic()
            advance(len(schedule.done), len(every))
            if not running:
                return schedule.failures
            for name, failure in engine.ended():
                schedule.ended(name, failure and f"{failure}; see {store.log(every[name])}")
                seconds = time.monotonic() - running.pop(name)
                progress.note(f"{name}: {failure or 'done'}, {seconds:.0f} s")


class _Schedule:
    """Which jobs can begin, and what became of them."""

    def __init__(self, jobs: Mapping[str, Job], done: set[str]) -> None:
        self._jobs = jobs
        self._failed: dict[str, str] = {}
        self.done = done

    def ready(self, running: set[str], places: int) -> list[Job]:
        """At most so many jobs that can begin now."""
        for name, job in self._jobs.items():  # in order, so that one pass finds all
            lost = [needed.name for needed in job.needs if needed.name in self._failed]
            if lost and name not in self.done:
                self._failed[name] = f"needs {lost[0]}"
        free = [
            job
            for name, job in self._jobs.items()
            if name not in self.done
            and name not in self._failed
            and name not in running
            and all(needed.name in self.done for needed in job.needs)
        ]
        return free[: max(0, places)]

    def ended(self, name: str, failure: str | None) -> None:
        """Note how a job ended."""
        if failure is None:
            self.done.add(name)
        else:
            self._failed[name] = failure

    @property
    def failures(self) -> list[Failure]:
        return [Failure(self._jobs[name], reason) for name, reason in self._failed.items()]
