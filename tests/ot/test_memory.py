"""Problems beyond the machine's memory are refused before any is allocated."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

import twostep_rs as ts
from twostep_rs import _memory as memory
from twostep_rs.ot import memory as estimates


def huge(*shape):
    """An array of this shape that takes no memory itself."""
    return np.broadcast_to(0.0, shape)


def test_a_matrix_beyond_memory_is_refused_with_the_figure():
    message = r"M: expected .* got 10000000 x 20000000 entries that need about 3200000\.0 GB"
    with pytest.raises(ts.errors.InputError, match=message):
        ts.ot.emd_matrix([], [], huge(10**7, 2 * 10**7))
    with pytest.raises(ts.errors.InputError, match="M: expected a problem that fits"):
        ts.ot.emd_matrix([], [], torch.zeros(1, 1).expand(10**7, 10**7))


HUGE = huge(10**11, 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ts.ot.emd(HUGE, huge(1, 3)), r"x, y: .* need about 40000\.0 GB"),
        (lambda: ts.ot.emd(HUGE, huge(1, 3), a=[1.0], period=1.0), "x, y: expected a problem"),
        (lambda: ts.ot.emd_batch([huge(2, 3), HUGE], [huge(2, 3)] * 2), "xs, ys: .* 40000"),
        (lambda: ts.ot.emd_batch(huge(5, 10**10, 3), huge(5, 1, 3)), "xs, ys: "),
        (lambda: ts.ot.EmdSequence(huge(5, 3))(HUGE), "x, y: expected a problem"),
        (lambda: ts.ot.submit(HUGE, huge(5, 3)), "x, y: expected a problem"),
        (lambda: ts.ot.w2_loss(torch.zeros(1, 1).expand(10**11, 3), torch.zeros(1, 3)), "x, y: "),
        (lambda: ts.ot.histogram_w2(HUGE, huge(5, 3)), r"x, y, bins: .* 100000000005 points"),
        (lambda: ts.ot.histogram_w2(huge(10**9, 2), huge(5, 2), bins=10**5), "x, y, bins: "),
        (lambda: ts.ot.HistogramSequence(huge(5, 3))(HUGE), "x, y, bins: expected a problem"),
        (lambda: ts.ot.grid_w2(huge(10**5, 10**5), huge(10**5, 10**5)), "a, b: .* 10000000000 c"),
    ],
)
def test_every_entry_refuses_what_is_beyond_memory_with_the_figure(call, message):
    with pytest.raises(ts.errors.InputError, match=message):
        call()


@pytest.mark.parametrize(
    ("n", "dim"), [pytest.param(2_000, 3, id="three axes"), pytest.param(2_000, 8, id="eight axes")]
)
def test_the_estimate_is_above_what_is_taken_and_not_far(n, dim):
    """Peak memory of a process of its own; a thousand kilobytes are those of the interpreter."""
    script = f"""
import numpy as np, twostep_rs as ts
from twostep_rs.bench.transport_memory import peak
x, y = np.random.default_rng(0).normal(size=(2, {n}, {dim}))
ts.ot.emd(x[:50], y[:50], threads=1)
before = peak()
plan = ts.ot.emd(x, y, threads=1)
print(1e6 * (peak() - before))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    per_point = estimates._BYTES_PER_POINT + estimates._BYTES_PER_COORDINATE * dim
    taken, estimate = float(done.stdout), 2 * n * per_point
    assert 0.1 * estimate < taken < 1.3 * estimate + 1e6


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_CGROUP_LIMIT", limit)
    whole = memory.machine_memory()
    limit.write_text("max\n")
    assert memory.machine_memory() == whole > 2**28
    limit.write_text("1000\n")
    assert memory.machine_memory() == 1000
    with pytest.raises(ts.errors.InputError, match=r"fits into 0\.0 GB"):
        ts.ot.emd(huge(50_000, 2), np.ones((2, 2)))


def test_what_an_interpreter_takes_anyway_is_never_refused(monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 0.0)
    assert ts.ot.emd(np.zeros((2, 2)), np.ones((2, 2))).cost == 2.0
    with pytest.raises(ts.errors.InputError, match="x, y: expected a problem"):
        ts.ot.emd(huge(50_000, 2), np.ones((2, 2)))
