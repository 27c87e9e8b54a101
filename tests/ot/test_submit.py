from __future__ import annotations

import multiprocessing

import numpy as np
import pytest
import torch

import twostep_rs as ts
from twostep_rs.errors import InputError, ShapeError


def problem(n=200, seed=0):
    return np.random.default_rng(seed).normal(size=(2, n, 3))


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, lambda a: a.tolist()])
def test_a_submitted_problem_has_the_plan_of_emd(kind):
    x, y = problem()
    found = ts.ot.submit(kind(x), kind(y)).result()
    expected = ts.ot.emd(kind(x), kind(y))
    assert found.cost == expected.cost
    assert type(found.permutation) is type(expected.permutation)
    assert np.array_equal(found.permutation, expected.permutation)


def test_points_may_be_overwritten_at_once():
    x, y = problem()
    expected = ts.ot.emd(x, y).cost
    for own in (x.copy(), torch.from_numpy(x.copy())):
        future = ts.ot.submit(own, y)
        own *= 0.0
        assert future.result().cost == expected


def test_masses_and_warm_starts_are_those_of_emd():
    x, y = problem()
    a, b = np.random.default_rng(1).dirichlet(np.ones(200), 2)
    plan = ts.ot.submit(x, y, a=a, b=b, metric="euclidean").result()
    assert plan.cost == ts.ot.emd(x, y, a=a, b=b, metric="euclidean").cost
    warm = ts.ot.submit(x + 1e-4, y, a=a, b=b, metric="euclidean", warm_start=plan).result()
    assert warm.warm


def test_what_is_wrong_is_raised_by_the_result():
    x, y = problem()
    with pytest.raises(ShapeError, match="y: expected"):
        ts.ot.submit(x, y[:, :2]).result()
    with pytest.raises(InputError, match="x: expected finite"):
        ts.ot.submit(x * np.nan, y).result()


def _cost_of_a_child():
    return ts.ot.submit(*problem()).result().cost


# From 3.12 on, Python itself warns that forking beside threads is dangerous.
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_solves_too():
    expected = ts.ot.submit(*problem()).result().cost
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_cost_of_a_child).get(timeout=60) == expected


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_tensors_on_a_gpu_are_solved_while_the_stream_goes_on():
    x, y = (torch.from_numpy(points).cuda() for points in problem())
    expected = ts.ot.emd(x, y)
    future = ts.ot.submit(x, y)
    x.zero_()
    found = future.result()
    assert found.cost == expected.cost
    assert found.permutation.device == x.device
    assert torch.equal(found.permutation, expected.permutation)
