"""Jobs that do little, and a way to do them here; processes import this module."""

from __future__ import annotations

import os
import sys
import time

from twostep_rs.errors import InputError
from twostep_rs.reproduce import Claim, Computation, Place, Summary, Target
from twostep_rs.reproduce.schedule import in_order
from twostep_rs.reproduce.store import Cost
from twostep_rs.runs.page import Table
from twostep_rs.runs.progress import Silent

#: Changes that make a run take seconds.
TINY = (
    "simulation.parameters=15,30,60,150",
    "simulation.particles=200",
    "stage_1.steps=4",
    "stage_1.batch=64",
    "stage_1.width=8",
    "stage_2.steps=4",
    "stage_2.batch=50",
    "stage_2.width=8",
    "evaluation.parameters=20,160",
    "evaluation.particles=100",
    "evaluation.references=2",
    "evaluation.floor_pairs=2",
    "threads=1",
)


def do(target, request, store):
    """The summary of a target, whose jobs are done here, one after the other."""
    for job in in_order(target.jobs(request)).values():
        if not store.finished(job):
            store.path(job).mkdir(parents=True, exist_ok=True)
            needed = {one.name: store.path(one) for one in job.needs}
            job.run(Place(store.path(job), store, Silent(), needed))
            store.finish(job, Cost(1.0, 2.0, 3.0))
    return target.summarise(request, store)


def note(place, value, delay=0.0):
    """Leave a line for every call, and return the value."""
    place.directory.mkdir(parents=True, exist_ok=True)
    with (place.directory / "calls.txt").open("a") as file:
        file.write(f"{os.getpid()} {time.monotonic()}\n")
    sys.stdout.write(f"value {value}\n")
    time.sleep(delay)
    return {"value": value}


def add(place, names):
    """The sum of what other jobs returned."""
    jobs = [Computation(name, note) for name in names]
    return {"value": sum(place.store.document(job)["value"] for job in jobs)}


def refuse(place, text):
    """Fail with one of the package's errors."""
    raise InputError(text)


def vanish(place):
    """End as a process does that the system kills."""
    os.kill(os.getpid(), 9)


def single(name, value, delay=0.0):
    return Computation(name, note, {"value": value, "delay": delay})


def calls(store, job):
    """How often a job was begun."""
    return len((store.path(job) / "calls.txt").read_text().splitlines())


def square_jobs(request):
    return [single(f"square/s{seed}", seed**2) for seed in request.seeds]


def square_summary(request, store):
    values = [store.document(job)["value"] for job in square_jobs(request)]
    return Summary(
        {"values": values},
        [Table("Squares", ("seed", "square"), [["0", "0"]], "Of seeds | whole numbers.")],
        {},
        [Claim("squares are not negative", "reproduced", f"least {min(values)}")],
    )


SQUARES = Target("squares", "squares of the seeds", "nowhere", square_jobs, square_summary)
