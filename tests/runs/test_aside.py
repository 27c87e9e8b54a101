"""Work in another process: its result, its end, and what becomes of failures."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from twostep_rs import experiments
from twostep_rs.config import EvaluationConfig
from twostep_rs.runs import RunDirectory, steps
from twostep_rs.runs.aside import aside
from twostep_rs.runs.evaluation import measure_floor

# Holds a lock for as long as anyone would wait.
WORK = """
import fcntl, time

def work(path):
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        print("locked", file=file, flush=True)
        time.sleep(600)
"""

PARENT = """
import sys, time
from slow import work
from twostep_rs.runs.aside import aside
with aside(work, sys.argv[1]):
    time.sleep(600)
"""


def test_the_result_comes_from_another_process_that_is_nicer():
    with aside(os.getpid) as number, aside(os.nice, 0) as nice:
        assert number.result() not in (None, os.getpid())
        assert nice.result() == min(os.nice(0) + 10, 19)


def test_large_results_come_whole():
    with aside(np.arange, 3_000_000) as found:
        assert (found.result() == np.arange(3_000_000)).all()


def test_what_the_work_says_does_not_spoil_the_result():
    with aside(subprocess.call, ["echo", "nonsense"]) as found:
        assert found.result() == 0


@pytest.mark.parametrize("work", [lambda: 0, os.abort], ids=["not to be pickled", "died"])
def test_work_that_cannot_be_done_there_gives_none(work):
    with aside(work) as found:
        assert found.result() is None


def test_an_error_gives_none():
    with aside(os.stat, "/no/such/file") as found:
        assert found.result() is None


def test_leaving_the_block_ends_the_work():
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), aside(time.sleep, 600) as found:
        raise KeyboardInterrupt
    assert found.result() is None
    assert time.monotonic() - started < 60.0


def test_the_work_ends_with_a_parent_that_is_killed(tmp_path):
    (tmp_path / "slow.py").write_text(WORK)
    script, lock = tmp_path / "parent.py", tmp_path / "lock"
    script.write_text(PARENT)
    lock.touch()
    parent = subprocess.Popen([sys.executable, str(script), str(lock)])
    try:
        _wait(lambda: lock.read_text() == "locked\n")
        assert not _free(lock)
    finally:
        parent.kill()
        parent.wait()
    _wait(lambda: _free(lock))


def test_the_floor_of_a_run_is_the_same_when_another_process_measures_it(tmp_path):
    experiment = experiments.get("ks3d-laminar")
    evaluation = EvaluationConfig(
        parameters=(20.0,), particles=200, references=2, floor_pairs=2, metrics=("exact",)
    )
    config = dataclasses.replace(experiment.config("quick"), threads=1, evaluation=evaluation)
    run = RunDirectory.create(tmp_path / "run", config)
    with steps.floor_ahead(run, experiment) as ahead:
        found = ahead.result()
    expected = measure_floor(experiment.system("paper"), evaluation, seed=config.seed)
    assert found is not None
    assert found.floors == expected.floors
    assert np.array_equal(found.references, expected.references)


def _free(lock):
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _wait(condition):
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
