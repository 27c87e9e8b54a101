"""Approximations against POT, closed forms, and the exact value they are held against."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ot as pot
import twostep_rs as ts
from twostep_rs.bench.problems import masses, squared_distances
from twostep_rs.ot import approximate, log_sums
from twostep_rs.ot import sinkhorn as entropic

PERIODS = [None, 2.0]


def problem(n=120, m=90, dim=3):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, dim)), rng.normal(size=(m, dim)) + 0.3
    return x, y, masses(rng, n, "zeros"), masses(rng, m, "random")


@pytest.mark.parametrize("period", PERIODS)
def test_potentials_give_the_entropic_plan_of_pot(period):
    x, y, a, b = problem()
    costs = squared_distances(x, y, period)
    epsilon = 0.05 * a @ costs @ b
    kept = a > 0.0
    expected = pot.sinkhorn(
        a[kept], b, costs[kept], epsilon, method="sinkhorn_log", stopThr=1e-12, numItermax=10_000
    )
    found = approximate.sinkhorn(x, y, a=a, b=b, period=period, debiased=False, tolerance=1e-11)
    f, g = found.potentials
    plan = a[:, None] * b * np.exp((f[:, None] + g - costs) / epsilon)
    np.testing.assert_allclose(plan[kept], expected, atol=1e-10)
    np.testing.assert_allclose(plan.sum(axis=1), a, atol=1e-14)
    assert found.w2_squared == pytest.approx((expected * costs[kept]).sum(), rel=1e-8)


def test_blocks_of_rows_change_nothing(monkeypatch):
    x, y, a, b = problem()
    whole = [approximate.sinkhorn(x, y, a=a, b=b, debiased=kind) for kind in (True, False)]
    for entries in (entropic._ENTRIES, log_sums._ENTRIES):
        monkeypatch.setitem(entries, "cpu", 7 * len(y))
    for kind, expected in zip((True, False), whole, strict=True):
        found = approximate.sinkhorn(x, y, a=a, b=b, debiased=kind)
        assert found.w2_squared == pytest.approx(expected.w2_squared, rel=1e-12)


@pytest.mark.parametrize("period", PERIODS)
def test_a_small_epsilon_comes_near_the_exact_value_from_above(period):
    x, y, a, b = problem(60, 50)
    found = [
        approximate.sinkhorn(
            x, y, a=a, b=b, period=period, epsilon=e, debiased=False, tolerance=1e-6
        )
        for e in (0.5, 0.1, 0.02)
    ]
    biases = [one.bias for one in found]
    assert biases[0] > biases[1] > biases[2] > -1e-5
    assert biases[2] < 0.1 * found[2].exact
    exact = ts.ot.emd(x, y, a=a, b=b, period=period).cost
    assert found[0].exact == pytest.approx(exact, rel=1e-12)


def test_the_divergence_of_a_cloud_with_itself_is_zero_and_of_a_shift_its_square():
    x, _, a, _ = problem()
    options = {"a": a, "b": a, "epsilon": 0.3, "tolerance": 1e-6}
    assert approximate.sinkhorn(x, x, **options).w2_squared == pytest.approx(0.0, abs=1e-6)
    shifted = approximate.sinkhorn(x, x + 1.0, **options)
    assert shifted.w2_squared == pytest.approx(3.0, rel=1e-5)
    assert shifted.bias == pytest.approx(0.0, abs=1e-4)


def test_averaged_updates_end_where_alternating_ones_do():
    x, _, a, _ = problem()
    points, mass = torch.from_numpy(x), torch.from_numpy(a)
    options = {"tolerance": 1e-4, "max_iterations": 20_000}
    own = entropic.symmetric_potential(points, mass, 0.5, **options)
    pair = entropic.potentials(points, points, mass, mass, 0.5, **options)
    assert float(2 * mass @ own.f) == pytest.approx(float(mass @ (pair.f + pair.g)), rel=1e-4)
    assert own.iterations < pair.iterations


def test_a_start_saves_iterations():
    x, y, a, b = (torch.from_numpy(array) for array in problem())
    first = entropic.potentials(x, y, a, b, 0.3, tolerance=1e-6)
    again = entropic.potentials(x + 1e-4, y, a, b, 0.3, tolerance=1e-6, start=first)
    assert again.iterations < first.iterations
    assert again.residual <= 1e-6


def test_float32_tensors_stay_so_and_far_clouds_do_not_cancel():
    x, y = (torch.from_numpy(cloud) for cloud in problem()[:2])
    expected = approximate.sinkhorn(x, y).w2_squared
    far = approximate.sinkhorn((x + 100.0).float(), (y + 100.0).float())
    assert far.potentials[0].dtype == torch.float32
    assert far.w2_squared == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_sliced_bounds_the_exact_value_from_below_and_equals_sorting(weighted):
    x, y, a, b = problem()
    weights = {"a": a, "b": b} if weighted else {}
    found = approximate.sliced(x, y, bases=1, seed=3, **weights)
    assert -found.exact < found.bias < 0.0
    rng = np.random.Generator(np.random.Philox(3))
    (axes,), _ = np.linalg.qr(rng.normal(size=(1, 3, 3)))
    expected = sum(ts.ot.emd(x @ axis[:, None], y @ axis[:, None], **weights).cost for axis in axes)
    assert found.w2_squared == pytest.approx(expected, rel=1e-10)


def test_sliced_of_equal_sizes_is_that_of_pot_times_the_dimension():
    x, y = np.random.default_rng(0).normal(size=(2, 80, 4))
    found = approximate.sliced(x, y + 1.0, bases=500)
    expected = 4 * pot.sliced_wasserstein_distance(x, y + 1.0, n_projections=5_000, seed=0) ** 2
    assert found.w2_squared == pytest.approx(expected, rel=0.05)


def test_the_report_says_how_far_off_it_is():
    x, y, a, b = problem()
    found = approximate.sliced(x, y, a=a, b=b)
    assert found.report().startswith("sliced, 32 bases: W2 squared ")
    assert f"exactly {found.exact:.6g}, bias -" in found.report()
    same = approximate.sliced(x, x)
    assert same.report().endswith("bias +0")


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("sinkhorn", {"epsilon": 0.0}, "epsilon: expected a finite number above 0"),
        ("sinkhorn", {"period": -1.0}, "period: expected positive numbers"),
        ("sinkhorn", {"a": [1.0, -1.0]}, "a: expected non-negative"),
        ("sliced", {"b": [1.0]}, r"b: expected shape \(2,\)"),
        ("sliced", {"bases": 0}, "bases: expected at least 1"),
    ],
)
def test_bad_arguments_are_named(method, options, message):
    points = np.zeros((2, 3))
    with pytest.raises(ts.errors.InputError, match=message):
        getattr(approximate, method)(points, points, **options)


@pytest.mark.parametrize("method", [approximate.sinkhorn, approximate.sliced])
def test_bad_clouds_are_refused(method):
    with pytest.raises(ts.errors.InputError, match="y: expected finite values"):
        method(np.zeros((2, 3)), np.full((2, 3), np.nan))
    with pytest.raises(ts.errors.ShapeError, match="y: expected 3 axes, got 2"):
        method(np.zeros((2, 3)), np.zeros((2, 2)))


def test_a_budget_that_runs_out_raises():
    x, y = problem()[:2]
    with pytest.raises(ts.errors.ConvergenceError, match="max_iterations: expected") as caught:
        approximate.sinkhorn(x, y, epsilon=1e-3, max_iterations=20)
    assert caught.value.gap > 0.0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("method", [approximate.sinkhorn, approximate.sliced])
def test_tensors_on_a_gpu_are_computed_there(method):
    x, y = (torch.from_numpy(cloud) for cloud in problem()[:2])
    found = method(x.cuda(), y.cuda())
    assert found.w2_squared == pytest.approx(method(x, y).w2_squared, rel=1e-9)
    assert found.exact == pytest.approx(ts.ot.emd(x, y).cost, rel=1e-12)
