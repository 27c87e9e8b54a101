"""Jobs as jobs of Slurm, by submitit."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import submitit

from twostep_rs.errors import ConfigError
from twostep_rs.reproduce import worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twostep_rs.reproduce.job import Job
    from twostep_rs.reproduce.store import Store

# Between two looks at the queue; submitit asks Slurm more seldom than that.
_SECONDS_BETWEEN_LOOKS = 0.5


class Slurm:
    """Jobs of Slurm.

    Args:
        places: jobs in the queue at a time.
        threads: of each job; it asks for as many processors.
        gpu: whether a job asks for a GPU.
        options: ``cluster`` (``slurm``, or ``local`` for processes of this machine), and any
            parameter of submitit's executors, for example ``timeout_min`` or ``slurm_partition``.

    Raises:
        ConfigError: an option is not known.
    """

    def __init__(self, places: int, threads: int, *, gpu: bool = False, **options: str) -> None:
        self.places = places
        self._threads = threads
        self._cluster = options.pop("cluster", "slurm")
        self._asked: dict[str, int | str] = {"cpus_per_task": threads, "gpus_per_node": int(gpu)}
        for key, value in options.items():
            self._asked[key] = int(value) if value.isdigit() else value
        self._executor: Any = None
        self._running: dict[str, Any] = {}

    def start(self, job: Job, store: Store) -> None:
        """Submit a job."""
        if self._executor is None:
            self._executor = self._begin(store.absolute().directory / "slurm")
        self._running[job.name] = self._executor.submit(
            worker.work_as_guest, job, store.absolute(), self._threads
        )

    def ended(self) -> Sequence[tuple[str, str | None]]:
        """Wait until a job leaves the queue."""
        while not (ready := [name for name, job in self._running.items() if job.done()]):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        return [(name, _outcome(self._running.pop(name))) for name in ready]

    def close(self) -> None:
        """Cancel the jobs that are left."""
        for job in self._running.values():
            with contextlib.suppress(Exception):
                job.cancel(check=False)

    def _begin(self, folder: Path) -> Any:
        try:
            executor = submitit.AutoExecutor(folder=folder, cluster=self._cluster)
            executor.update_parameters(**self._asked)
        except (RuntimeError, ValueError, NameError, TypeError) as error:
            raise ConfigError(f"engine options: expected those of submitit, got {error}") from error
        return executor


def _outcome(job: Any) -> str | None:
    try:
        return None if job.result() else "failed"
    except submitit.core.utils.UncompletedJobError:
        return f"ended without a result ({job.state})"
    except submitit.core.utils.FailedJobError:
        return "failed"
