"""The default number of threads: who decides, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import twostep_rs
from twostep_rs.errors import DtypeError, InputError
from twostep_rs.threads import num_threads


def threads_under(**environment):
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in {"TWOSTEP_NUM_THREADS", "RAYON_NUM_THREADS", "LOCAL_WORLD_SIZE"}
    }
    completed = subprocess.run(
        [sys.executable, "-c", "import twostep_rs; print(twostep_rs.get_num_threads())"],
        env=variables | environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return int(completed.stdout)


def test_a_set_number_is_used_and_none_goes_back_to_the_rule():
    before = twostep_rs.get_num_threads()
    twostep_rs.set_num_threads(before + 3)
    assert twostep_rs.get_num_threads() == before + 3
    twostep_rs.set_num_threads(None)
    assert twostep_rs.get_num_threads() == before


def test_the_environment_decides_in_order():
    assert threads_under(TWOSTEP_NUM_THREADS="5", RAYON_NUM_THREADS="3") == 5
    assert threads_under(RAYON_NUM_THREADS="3") == 3
    assert threads_under(TWOSTEP_NUM_THREADS="many", RAYON_NUM_THREADS="3") == 3


def test_processes_of_one_run_share_the_cores():
    cores = threads_under()
    assert cores <= os.cpu_count()
    assert threads_under(LOCAL_WORLD_SIZE=str(cores)) == 1
    assert threads_under(LOCAL_WORLD_SIZE=str(10 * cores)) == 1


@pytest.mark.parametrize("threads", [0, -1])
def test_less_than_one_thread_is_refused(threads):
    with pytest.raises(InputError, match=rf"threads: expected at least 1, got {threads}"):
        twostep_rs.set_num_threads(threads)


@pytest.mark.parametrize("threads", [2.0, "2", True])
def test_a_number_of_threads_that_is_no_integer_is_refused(threads):
    with pytest.raises(DtypeError, match="threads: expected an integer"):
        twostep_rs.set_num_threads(threads)


def test_a_pool_is_never_larger_than_the_most():
    """In a process of its own: pools stay at rest for as long as it lives."""
    script = """
import numpy, twostep_rs
from pathlib import Path
x, y = numpy.random.default_rng(0).random((2, 1, 20, 2))
(plan,) = twostep_rs.ot.emd_batch(x, y, threads=20_000)
assert plan.cost == twostep_rs.ot.emd(x[0], y[0]).cost
print(len(list(Path("/proc/self/task").iterdir())))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert 1_000 < int(done.stdout) < 1_100


def test_threads_of_a_block_end_with_it():
    twostep_rs.set_num_threads(3)
    with num_threads(2):
        assert twostep_rs.get_num_threads() == 2
        with num_threads(None):
            assert twostep_rs.get_num_threads() == 2
    assert twostep_rs.get_num_threads() == 3
