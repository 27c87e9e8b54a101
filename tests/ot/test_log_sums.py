"""Sums of a Gaussian kernel: against the dense matrix in float64, streamed and fused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from twostep_rs.ot import log_sums as module
from twostep_rs.ot.log_sums import log_sums, pull, weights

CASES = [
    (dim, torus, others)
    for dim in (1, 2, 3, 4)
    for torus in (False, True)
    for others in (False, True)
]


def problem(dim, *, torus, n=37, m=150, problems=2, dtype=torch.float64):
    """Clouds away from the origin, with weights of which some are zero."""
    generator = torch.Generator().manual_seed(dim)
    x = 5.0 + torch.randn(problems, n, dim, generator=generator, dtype=torch.float64)
    y = 5.5 + torch.randn(problems, m, dim, generator=generator, dtype=torch.float64)
    h = torch.randn(problems, m, generator=generator, dtype=torch.float64)
    h[:, ::7] = -torch.inf
    rate = torch.tensor([0.7, 9.0], dtype=torch.float64)
    period = torch.linspace(2.0, 3.0, dim, dtype=torch.float64) if torus else None
    return [None if part is None else part.to(dtype) for part in (x, y, h, rate, period)]


def dense(x, y, h, rate, period, *, others):
    gap = y.unsqueeze(1) - x.unsqueeze(2)
    if period is not None:
        gap = gap - period * (gap / period).round()
    logits = h.unsqueeze(1) - rate[:, None, None] * gap.square().sum(dim=3)
    if others:
        logits[:, range(x.shape[1]), range(x.shape[1])] = -torch.inf
    return logits.logsumexp(dim=2), (logits.softmax(dim=2).unsqueeze(3) * gap).sum(dim=2)


@pytest.mark.parametrize(("dim", "torus", "others"), CASES)
def test_streamed_sums_equal_the_matrix(dim, torus, others, monkeypatch):
    monkeypatch.setattr(
        module, "_ENTRIES", {"cpu": 3000, "cuda": 3000}
    )  # several blocks, of unequal sizes
    *clouds, period = problem(dim, torus=torus)
    sums, displacement = dense(*clouds, period, others=others)
    found = pull(*clouds, period=period, others=others)
    torch.testing.assert_close(found.log_sum, sums)
    torch.testing.assert_close(found.displacement, displacement)
    torch.testing.assert_close(log_sums(*clouds, period=period, others=others), sums)
    masses = torch.randn_like(sums)
    found = log_sums(*clouds, period=period, others=others, masses=masses)
    torch.testing.assert_close(found, masses - sums)
    plan = weights(*clouds, period=period, others=others)
    torch.testing.assert_close(plan.sum(dim=2), torch.ones_like(sums))
    if period is None:
        torch.testing.assert_close(plan @ clouds[1] - clouds[0], displacement)


def check_fused(device, cases=CASES):
    """The kernel against the matrix."""
    from twostep_rs.ot import fused

    for dim, torus, others in cases:
        *clouds, period = problem(dim, torus=torus)
        sums, displacement = dense(*clouds, period, others=others)
        *singles, lengths = (
            None if part is None else part.to(device).float() for part in (*clouds, period)
        )
        for _, blocks in fused._BLOCKS:
            options = {"others": others, "pulls": True, "blocks": blocks}
            total, found = fused.run(*singles, lengths, **options)
            torch.testing.assert_close(found.cpu().double(), displacement, rtol=1e-4, atol=2e-5)
            torch.testing.assert_close(total.cpu().double(), sums, rtol=1e-5, atol=5e-5)
        alone = fused.log_sums(*singles, period=lengths, others=others)
        torch.testing.assert_close(alone, total)
        masses = torch.randn_like(total)
        left = fused.log_sums(*singles, period=lengths, others=others, masses=masses)
        torch.testing.assert_close(left, masses - total)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_the_fused_kernel_equals_the_matrix_on_a_gpu():
    check_fused("cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_no_matrix_is_kept_on_a_gpu():
    x, y = torch.randn(2, 1, 2**16, 3, device="cuda")
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    pull(x, y, torch.zeros(1, 2**16, device="cuda"), torch.ones(1, device="cuda"))
    # Points, sums and displacements: a matrix of these would be 16 GiB.
    assert torch.cuda.max_memory_allocated() - before < 2**23


def test_the_fused_kernel_equals_the_matrix_in_the_interpreter():
    pytest.importorskip("triton")
    # Triton reads the variable when it is first imported.
    code = "from test_log_sums import CASES, check_fused; check_fused('cpu', CASES[::5])"
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == 0


def test_single_precision_is_exact_enough_far_from_the_origin():
    *clouds, _ = problem(2, torus=False)
    x, y, h, rate = (part.float() for part in clouds)
    far = log_sums(x + 100.0, y + 100.0, h, rate)
    torch.testing.assert_close(
        far.double(), dense(*clouds, None, others=False)[0], rtol=0, atol=2e-3
    )
