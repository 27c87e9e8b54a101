"""Jobs as tasks of Ray: of a cluster that runs, or of this machine."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

import ray

from twostep_rs.errors import ConfigError
from twostep_rs.reproduce import worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.reproduce.job import Job
    from twostep_rs.reproduce.store import Store

# A job whose process is killed, or whose machine is lost, goes on elsewhere, so many times.
_RETRIES = 3

# Jobs that share a GPU where nothing else is said.
_JOBS_ON_A_GPU = 4


class Ray:
    """Tasks of Ray, one process each.

    Args:
        places: jobs at a time.
        threads: of each job; it holds as many processors.
        gpu: whether jobs use a GPU.
        address: of a cluster, as Ray has it; a new one on this machine by default.
        gpus: share of a GPU that a job holds; a quarter by default.

    Raises:
        ConfigError: the share is no positive number.
    """

    def __init__(
        self,
        places: int,
        threads: int,
        *,
        gpu: bool = False,
        address: str | None = None,
        gpus: str | None = None,
    ) -> None:
        self.places = places
        self._threads = threads
        share = 1.0 / _JOBS_ON_A_GPU if gpus is None else _positive(gpus)
        self._running: dict[Any, str] = {}
        self._started = not ray.is_initialized()
        if self._started:
            # On one machine the number of jobs is bounded by ``places``, not by its processors.
            own: dict[str, Any] = {} if address else {"num_cpus": places * threads}
            ray.init(
                address=address,
                log_to_driver=False,
                include_dashboard=False,
                # A job may be of any module that can be imported here.
                runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}},
                **own,
            )
        # One task a process, so that its memory and threads are its own.
        self._do = ray.remote(
            num_cpus=threads, num_gpus=share if gpu else 0, max_retries=_RETRIES, max_calls=1
        )(worker.work_as_guest)

    def start(self, job: Job, store: Store) -> None:
        """Submit a job."""
        self._running[self._do.remote(job, store.absolute(), self._threads)] = job.name

    def ended(self) -> Sequence[tuple[str, str | None]]:
        """Wait until a task ends."""
        ready, _ = ray.wait(list(self._running), num_returns=1)
        return [(self._running.pop(task), _outcome(task)) for task in ready]

    def close(self) -> None:
        """Cancel the tasks that are left, and end what was begun here."""
        for task in self._running:
            with contextlib.suppress(ray.exceptions.RayError):
                ray.cancel(task, force=True)
        if self._started:
            ray.shutdown()


def _outcome(task: Any) -> str | None:
    try:
        return None if ray.get(task) else "failed"
    except ray.exceptions.WorkerCrashedError:
        return f"killed {_RETRIES + 1} times"
    except ray.exceptions.RayError as error:
        return f"failed: {str(error).strip().splitlines()[-1]}"


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0.0:
        raise ConfigError(f"engine options: gpus: expected a positive number, got {text!r}")
    return value
