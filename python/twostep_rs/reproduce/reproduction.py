"""Targets from their jobs to their results."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.reproduce.engines import Processes
from twostep_rs.reproduce.result_files import write_result
from twostep_rs.reproduce.schedule import in_order, run_jobs
from twostep_rs.runs.progress import Silent
from twostep_rs.runs.steps import require_device
from twostep_rs.threads import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twostep_rs.reproduce.claims import Claim
    from twostep_rs.reproduce.engines import Engine
    from twostep_rs.reproduce.job import Job
    from twostep_rs.reproduce.schedule import Failure
    from twostep_rs.reproduce.store import Store
    from twostep_rs.reproduce.target import Request, Target
    from twostep_rs.runs.progress import Progress


@dataclass(frozen=True)
class Outcome:
    """What became of a target.

    Attributes:
        target: which.
        seeds: those whose jobs are all done; there is no result without any.
        directory: of the result.
        claims: with verdicts.
        failures: its jobs that are not done.
    """

    target: Target
    seeds: tuple[int, ...]
    directory: Path
    claims: Sequence[Claim]
    failures: Sequence[Failure]


def reproduce(
    targets: Sequence[Target],
    request: Request,
    store: Store,
    *,
    workers: int = 1,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Do the jobs of all targets that are not done yet, and write every result.

    A target some of whose seeds failed is summarised over the others. The same call goes on where
    an earlier one was stopped.

    Args:
        targets: what to reproduce; jobs that they share are done once.
        request: how much, and where.
        store: directory of jobs and results.
        workers: processes of this machine at a time.
        engine: what does the jobs instead of these.
        progress: where to report; nowhere by default.

    Raises:
        ConfigError: jobs contradict each other.
        DeviceError: the device is not there.
        RunDirectoryError: the store holds other jobs of the same names.
        KeyboardInterrupt: on Ctrl-C; jobs in flight are stopped and can go on.
    """
    require_device(request.device)
    failures = run_jobs(
        jobs_of(targets, request),
        store,
        Processes(workers, max(1, get_num_threads() // workers)) if engine is None else engine,
        Silent() if progress is None else progress,
    )
    return [_summarised(target, request, store, failures) for target in targets]


def jobs_of(targets: Sequence[Target], request: Request) -> list[Job]:
    """The jobs of all targets, seed by seed, so that whole seeds are done first."""
    return [
        job
        for seed in request.seeds
        for target in targets
        if seed in _seeds(target, request)
        for job in target.jobs(dataclasses.replace(request, seeds=(seed,)))
    ]


def _seeds(target: Target, request: Request) -> tuple[int, ...]:
    return request.seeds[: target.most_seeds] if target.seeded else request.seeds[:1]


def _summarised(
    target: Target, request: Request, store: Store, failures: Sequence[Failure]
) -> Outcome:
    def jobs(*seeds: int) -> dict[str, Job]:
        return in_order(target.jobs(dataclasses.replace(request, seeds=seeds)))

    wanted = _seeds(target, request)
    done = tuple(seed for seed in wanted if all(store.finished(job) for job in jobs(seed).values()))
    directory = store.directory / request.preset / target.name
    claims: Sequence[Claim] = ()
    if done:
        finished = dataclasses.replace(request, seeds=done)
        summary = target.summarise(finished, store)
        claims = summary.claims
        every = jobs(*done).values()
        write_result(
            directory,
            target,
            request,
            summary,
            seeds=done if target.seeded else (),
            seconds=sum(store.cost(job).seconds for job in every),
            days=[store.day(job) for job in every],
            environments=[store.environment(job) for job in every],
        )
    mine = jobs(*wanted)
    return Outcome(target, done, directory, claims, [f for f in failures if f.job.name in mine])
