"""Threads of the trainings and how they compute."""

from __future__ import annotations

import pytest
import torch

from twostep_rs.training.workers import Workers, one_thread


def least():
    """Half of the smallest normal number, which is zero where such numbers are flushed."""
    return (torch.full((4,), torch.finfo(torch.float32).tiny) / 2.0).tolist()


def test_numbers_below_the_normal_ones_are_zero_in_all_threads_of_a_training():
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor does not flush them")
    workers = Workers(2)
    assert all(least())
    with one_thread():
        assert not any(least())
        assert not any(any(found) for found in workers.map(lambda _: least(), range(4)))
        with one_thread():
            pass
        assert not any(least())
    assert all(least())


def test_the_threads_of_torch_are_restored():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
