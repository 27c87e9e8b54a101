"""Problems beyond the machine's memory are refused before any is allocated."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import twostep_rs as ts
from twostep_rs import _memory as memory


def huge(*shape):
    """An array of this shape that takes no memory itself."""
    return np.broadcast_to(0.0, shape)


def test_a_matrix_beyond_memory_is_refused_with_the_figure():
    message = r"M: expected .* got 10000000 x 20000000 entries that need about 3200000\.0 GB"
    with pytest.raises(ts.errors.InputError, match=message):
        ts.ot.emd_matrix([], [], huge(10**7, 2 * 10**7))
    with pytest.raises(ts.errors.InputError, match="M: expected a problem that fits"):
        ts.ot.emd_matrix([], [], torch.zeros(1, 1).expand(10**7, 10**7))


def test_clouds_beyond_memory_are_refused_with_the_figure():
    with pytest.raises(ts.errors.InputError, match=r"x, y: expected .* need about 40000\.0 GB"):
        ts.ot.emd(huge(10**11, 3), huge(1, 3))


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_CGROUP_LIMIT", limit)
    whole = memory.machine_memory()
    limit.write_text("max\n")
    assert memory.machine_memory() == whole > 2**28
    limit.write_text("1000\n")
    assert memory.machine_memory() == 1000
    with pytest.raises(ts.errors.InputError, match=r"fits into 0\.0 GB"):
        ts.ot.emd(np.zeros((2, 2)), np.ones((2, 2)))
