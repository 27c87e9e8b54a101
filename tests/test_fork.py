"""Forked children: the parent's worker threads do not exist in them, and nothing may hang."""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np
import pytest

import twostep_rs as ts

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    # From 3.12 on, Python itself warns that forking beside threads is dangerous.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


def in_child(work, seconds=60.0):
    """Exit status of a forked child that runs ``work``; the child is killed when it hangs."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        finished, status = os.waitpid(pid, os.WNOHANG)
        if finished:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "hung"


def test_a_forked_child_solves_on_several_threads():
    rng = np.random.default_rng(0)
    xs, ys = rng.normal(size=(2, 8, 50, 3))
    before = [plan.cost for plan in ts.ot.emd_batch(xs, ys, threads=3)]  # the pool is running

    def work():
        after = [plan.cost for plan in ts.ot.emd_batch(xs, ys, threads=3)]
        assert after == before

    assert in_child(work) == 0
    assert in_child(work) == 0
    assert [plan.cost for plan in ts.ot.emd_batch(xs, ys, threads=3)] == before


def test_a_child_that_fails_or_hangs_is_told_apart():
    def fail():
        raise AssertionError

    assert in_child(fail) == 1
    assert in_child(lambda: time.sleep(60), seconds=0.2) == "hung"
