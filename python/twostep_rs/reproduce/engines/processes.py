"""Jobs in processes of this machine, one each."""

from __future__ import annotations

import multiprocessing
from multiprocessing import connection
from typing import TYPE_CHECKING

from twostep_rs.reproduce.worker import work

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.process import BaseProcess

    from twostep_rs.reproduce.job import Job
    from twostep_rs.reproduce.store import Store

# Imported once, before processes branch off: every job would spend seconds on it.
_PRELOADED = ["twostep_rs.training.model", "torch._dynamo"]
_SECONDS_TO_STOP = 10.0


class Processes:
    """Processes of this machine.

    Args:
        places: jobs at a time.
        threads: of each job.
    """

    def __init__(self, places: int, threads: int) -> None:
        self.places = places
        self._threads = threads
        self._running: dict[str, BaseProcess] = {}

    def start(self, job: Job, store: Store) -> None:
        """Begin a job in a process of its own."""
        arguments = (job, store, self._threads)
        process: BaseProcess
        if "forkserver" in multiprocessing.get_all_start_methods():
            server = multiprocessing.get_context("forkserver")
            server.set_forkserver_preload(_PRELOADED)
            process = server.Process(target=work, args=arguments)
        else:
            process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
        process.start()
        self._running[job.name] = process

    def ended(self) -> Sequence[tuple[str, str | None]]:
        """Wait until a process ends."""
        ready = connection.wait([process.sentinel for process in self._running.values()])
        names = [name for name, one in self._running.items() if one.sentinel in ready]
        return [(name, _outcome(self._running.pop(name))) for name in names]

    def close(self) -> None:
        """End the processes that are left."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            process.join(_SECONDS_TO_STOP)
            if process.is_alive():
                process.kill()
                process.join()


def _outcome(process: BaseProcess) -> str | None:
    process.join()
    code = process.exitcode
    if code == 0:
        return None
    return f"killed by signal {-code}" if code is not None and code < 0 else "failed"
