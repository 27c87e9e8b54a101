"""Jobs by several processes of this machine: each when what it needs is done."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from dataclasses import dataclass
from multiprocessing import connection
from typing import TYPE_CHECKING

from twostep_rs.errors import ConfigError
from twostep_rs.reproduce.worker import work

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from multiprocessing.process import BaseProcess

    from twostep_rs.reproduce.job import Job
    from twostep_rs.reproduce.store import Store
    from twostep_rs.runs.progress import Progress

# Imported once, before processes branch off: every job would spend seconds on it.
_PRELOADED = ["twostep_rs.training.model", "torch._dynamo"]
_SECONDS_TO_STOP = 10.0


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
    jobs: Iterable[Job], store: Store, *, workers: int, threads: int, progress: Progress
) -> list[Failure]:
    """Do the jobs that are not done yet.

    One process does one job. A job that fails costs those that need it; the others go on.

    Args:
        jobs: what to do, with all they need.
        store: where.
        workers: processes at a time.
        threads: threads of each.
        progress: where to report.

    Returns:
        The jobs that are not done, and why.

    Raises:
        ConfigError: the jobs contradict each other.
        RunDirectoryError: another job of the same name was done there.
        KeyboardInterrupt: on Ctrl-C; the jobs in flight are stopped and can go on.
    """
    every = in_order(jobs)
    schedule = _Schedule(every, {name for name, job in every.items() if store.finished(job)})
    running: dict[str, tuple[BaseProcess, float]] = {}
    with progress.task("jobs") as advance, _stopped_at_the_end(running):
        while True:
            for job in schedule.ready(set(running), workers - len(running)):
                progress.note(f"{job.name}: begun")
                running[job.name] = _start(job, store, threads), time.monotonic()
            advance(len(schedule.done), len(every))
            if not running:
                return schedule.failures
            for name in _ended(running):
                process, start = running.pop(name)
                process.join()
                log = store.log(every[name])
                outcome = schedule.ended(name, process.exitcode, f"see {log}")
                progress.note(f"{name}: {outcome}, {time.monotonic() - start:.0f} s")


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

    def ended(self, name: str, exitcode: int | None, where: str) -> str:
        """Note how a process ended; in words."""
        if exitcode == 0:
            self.done.add(name)
            return "done"
        how = f"killed by signal {-exitcode}" if exitcode and exitcode < 0 else "failed"
        self._failed[name] = f"{how}; {where}"
        return how

    @property
    def failures(self) -> list[Failure]:
        return [Failure(self._jobs[name], reason) for name, reason in self._failed.items()]


def _start(job: Job, store: Store, threads: int) -> BaseProcess:
    arguments = (job, store, threads)
    process: BaseProcess
    if "forkserver" in multiprocessing.get_all_start_methods():
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(_PRELOADED)
        process = server.Process(target=work, args=arguments)
    else:
        process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    return process


def _ended(running: Mapping[str, tuple[BaseProcess, float]]) -> Sequence[str]:
    """Names of processes that have ended, at least one."""
    ready = connection.wait([process.sentinel for process, _ in running.values()])
    return [name for name, (process, _) in running.items() if process.sentinel in ready]


@contextlib.contextmanager
def _stopped_at_the_end(running: Mapping[str, tuple[BaseProcess, float]]) -> Iterator[None]:
    """No process outlives the block."""
    try:
        yield
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.join(_SECONDS_TO_STOP)
            if process.is_alive():
                process.kill()
                process.join()
