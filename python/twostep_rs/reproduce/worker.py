"""What a process does with one job."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
import time
import traceback
from multiprocessing import connection, parent_process
from typing import TYPE_CHECKING

from twostep_rs.errors import TwoStepError
from twostep_rs.reproduce.job import Place
from twostep_rs.reproduce.store import Cost
from twostep_rs.runs.progress import Lines
from twostep_rs.threads import set_num_threads

if TYPE_CHECKING:
    from pathlib import Path

    from twostep_rs.reproduce.job import Job
    from twostep_rs.reproduce.store import Store

FAILED, INTERRUPTED, ORPHANED = 1, 130, 131


def work(job: Job, store: Store, threads: int) -> None:
    """Do the job in this process, which is its own, and exit.

    Output and errors go to the log of the job.
    """
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _write_to(store.log(job))
    try:
        do(job, store, threads)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except TwoStepError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(FAILED)


def work_as_guest(job: Job, store: Store, threads: int) -> bool:
    """Do the job in a process that an engine started and watches; whether it is done.

    Output and errors go to the log of the job.
    """
    log = store.log(job)
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", encoding="utf-8") as file,
        contextlib.redirect_stdout(file),
        contextlib.redirect_stderr(file),
    ):
        try:
            do(job, store, threads)
        except Exception:
            traceback.print_exc()
            return False
    return True


def do(job: Job, store: Store, threads: int) -> None:
    """Do the job and note that it is done, with what it took."""
    set_num_threads(threads)
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(threads)
    start = time.perf_counter()
    needed = {one.name: store.path(one) for one in job.needs}
    job.run(Place(store.path(job), store, Lines(sys.stderr), needed))
    store.finish(job, _cost(time.perf_counter() - start))


def _cost(seconds: float) -> Cost:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    peak = used[0].ru_maxrss
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, kilobytes elsewhere
    on_gpu = 0
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_initialized():
        on_gpu = torch.cuda.max_memory_allocated()
    return Cost(
        seconds,
        peak_memory_mb=peak / unit,
        peak_gpu_memory_mb=on_gpu / 2**20,
        processor_seconds=sum(one.ru_utime + one.ru_stime for one in used),
    )


def _write_to(log: Path) -> None:
    """Append what this process says to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    with log.open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _end_with_parent() -> None:
    """Where the parent is killed nobody would note what this process does, and it ends too."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(ORPHANED)
