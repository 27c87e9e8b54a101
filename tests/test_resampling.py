"""Resampling: unbiased in every scheme, bounded where it promises to be, and honest on bad input.

Statistical tests fix their seeds. Their bounds are six standard errors, which a correct scheme
exceeds in one of the 3000 comparisons made here with probability below 1e-5.
"""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import twostep_rs as ts
from twostep_rs.errors import DtypeError, InputError, MassError, ShapeError

SCHEMES = ["systematic", "stratified", "multinomial", "residual", "ssp", "killing"]
DRAWS = 3000


def weights(kind: str, n: int = 300) -> np.ndarray:
    rng = np.random.default_rng(7)
    match kind:
        case "weak":
            return np.exp(0.01 * rng.normal(size=n))
        case "strong":
            return np.exp(1.5 * rng.normal(size=n)) * (rng.random(n) < 0.8)
        case "heavy":
            w = np.full(n, 1e-3)
            w[[3, 70, 280]] = 5.0, 1.0, 20.0
            return w
    raise AssertionError(kind)


def counts(w, m, scheme, seed):
    ancestors = ts.resample(weights=w, m=m, scheme=scheme, seed=seed)
    assert ancestors.shape == (m,)
    return np.bincount(ancestors, minlength=len(w))


@pytest.mark.parametrize("kind", ["weak", "strong", "heavy"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_expected_offspring_are_in_proportion_to_the_weights(scheme, kind):
    w = weights(kind)
    m = len(w) if scheme == "killing" else 421
    expected = m * w / w.sum()
    drawn = np.array([counts(w, m, scheme, seed) for seed in range(DRAWS)])
    assert (drawn[:, w == 0] == 0).all()
    # Fractions and multinomial draws both vary less than Poisson numbers of the same mean.
    error = np.abs(drawn.mean(axis=0) - expected)[w > 0]
    assert (error < 6.0 * np.sqrt((expected[w > 0] + 1.0 / DRAWS) / DRAWS)).all()
    if scheme in ("systematic", "ssp"):
        assert (np.abs(drawn - expected) < 1.0 + 1e-9).all()
    if scheme == "stratified":
        assert (np.abs(drawn - expected) < 2.0).all()
    if scheme == "residual":
        assert (drawn >= np.floor(expected - 1e-9)).all()


@pytest.mark.parametrize("mean", [0.3, 1.0, 30.0])
def test_multinomial_offspring_have_the_law_of_independent_draws(mean):
    """Chi squared of single counts against the binomial law, and the sign of their covariance."""
    w = weights("strong", 40)
    m = round(mean * len(w))
    p = w / w.sum()
    drawn = np.array([counts(w, m, "multinomial", seed) for seed in range(4000)])
    for i in np.argsort(p)[[-1, -5, -15]]:
        law = stats.binom(m, p[i])
        edges = np.unique(law.ppf([0.02, 0.2, 0.4, 0.6, 0.8, 0.98]).astype(int))
        groups = np.searchsorted(edges, drawn[:, i])
        probabilities = np.diff([0.0, *law.cdf(edges), 1.0])
        # A count equal to an edge belongs to the group that ends there.
        observed = np.bincount(groups, minlength=len(edges) + 1)
        assert stats.chisquare(observed, 4000 * probabilities).pvalue > 1e-6
    i, j = np.argsort(p)[[-1, -2]]
    covariance = np.cov(drawn[:, i], drawn[:, j])[0, 1]
    error = m * np.sqrt(p[i] * p[j] / 4000)
    assert abs(covariance + m * p[i] * p[j]) < 6.0 * error


@pytest.mark.parametrize("scheme", SCHEMES)
def test_variance_of_an_average(scheme):
    """Weights that barely vary: all but the independent draws change little."""
    w = np.exp(0.006 * np.random.default_rng(1).normal(size=2000))
    f = np.sort(np.cos(np.random.default_rng(2).uniform(0, 2 * np.pi, 2000)))
    averages = [f[ts.resample(weights=w, scheme=scheme, seed=s)].mean() for s in range(300)]
    variance = 2000 * np.var(averages)
    low, high = {
        "systematic": (0.0, 0.01),
        "ssp": (0.0, 0.01),
        "killing": (0.0, 0.05),
        "stratified": (0.0, 0.02),  # f is sorted: neighbours are alike
        "residual": (0.1, 0.4),
        "multinomial": (0.35, 0.65),
    }[scheme]
    assert low < variance < high


@given(
    st.integers(1, 700), st.integers(1, 700), st.sampled_from(SCHEMES), st.integers(0, 2**64 - 1)
)
def test_any_sizes(n, m, scheme, seed):
    w = np.random.default_rng(n).exponential(size=n) ** 4
    m = n if scheme == "killing" else m
    ancestors = ts.resample(weights=w, m=m, scheme=scheme, seed=seed)
    assert len(ancestors) == m
    assert (np.diff(ancestors) >= 0).all()
    assert ancestors[0] >= 0
    assert ancestors[-1] < n
    assert (w[ancestors] > 0).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_in_place_is_the_same_draw_with_survivors_at_home(scheme):
    w = weights("strong", 1000)
    in_place = ts.resample(weights=w, scheme=scheme, seed=4, in_place=True)
    np.testing.assert_array_equal(np.sort(in_place), ts.resample(weights=w, scheme=scheme, seed=4))
    survivors = np.unique(in_place)
    np.testing.assert_array_equal(in_place[survivors], survivors)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_logarithms_far_below_underflow(scheme):
    w = weights("strong", 500)
    with np.errstate(divide="ignore"):
        logs = np.log(w)
    for shift in (-1e6, 0.0, 1e6):
        got = ts.resample(log_weights=logs + shift, scheme=scheme, seed=2)
        assert (w[got] > 0).all()
        assert len(got) == 500
    expected = np.log(w.mean()) - 1e6
    assert ts.log_mean_weight(log_weights=logs - 1e6) == pytest.approx(expected, abs=1e-9)
    assert ts.log_mean_weight(weights=w) == pytest.approx(np.log(w.mean()))
    assert ts.log_mean_weight(log_weights=[-np.inf]) == -np.inf


@pytest.mark.parametrize("scheme", SCHEMES)
def test_threads_and_seeds(scheme):
    w = weights("strong", 50_000)
    one, two, seven = (ts.resample(weights=w, scheme=scheme, seed=1, threads=t) for t in (1, 2, 7))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one, seven)
    assert (one != ts.resample(weights=w, scheme=scheme, seed=2)).any()


DRAWN = """
import sys
import numpy as np
import twostep_rs as ts

assert ts.build_info()["simd"] == sys.argv[1], ts.build_info()["simd"]
w = np.random.default_rng(7).exponential(size=20_001) ** 3
schemes = ("systematic", "stratified")
drawn = [ts.resample(weights=w, scheme=s, seed=k, m=30_000) for s in schemes for k in range(5)]
np.save(sys.argv[2], drawn)
"""


def test_instruction_sets_draw_the_same(tmp_path):
    drawn = []
    for simd in ("scalar", "v3", "v4"):
        file = tmp_path / f"{simd}.npy"
        environment = {**os.environ, "TWOSTEP_SIMD": simd}
        command = [sys.executable, "-c", DRAWN, simd, str(file)]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if simd != "scalar" and run.returncode and "AssertionError" in run.stderr:
            continue  # this processor does not have it
        assert run.returncode == 0, run.stderr
        drawn.append(np.load(file))
    for other in drawn[1:]:
        np.testing.assert_array_equal(other, drawn[0])


def test_tensors_come_back_as_tensors():
    w = torch.rand(100, dtype=torch.float32)
    ancestors = ts.resample(weights=w, m=50)
    assert isinstance(ancestors, torch.Tensor)
    assert ancestors.dtype == torch.int64
    np.testing.assert_array_equal(ancestors.numpy(), ts.resample(weights=w.numpy(), m=50))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, InputError, "weights, log_weights: expected one of them"),
        ({"weights": [1.0], "log_weights": [0.0]}, InputError, "got both or neither"),
        ({"weights": []}, ShapeError, "weights: expected at least one entry"),
        ({"weights": [[1.0]]}, ShapeError, r"weights: expected shape \(n,\)"),
        ({"weights": [1.0, np.nan]}, InputError, "weights: expected finite .* NaN at flat index 1"),
        ({"weights": [np.inf, 1.0]}, InputError, "weights: expected finite values, got inf"),
        ({"weights": [1.0, -0.5]}, MassError, "weights: .* got -0.5 at index 1"),
        ({"weights": [0.0, 0.0]}, InputError, "weights: expected a positive total weight, got 0"),
        ({"log_weights": [-np.inf]}, InputError, "log_weights: expected a positive total weight"),
        ({"log_weights": [0.0, np.nan]}, InputError, "log_weights: .* NaN at flat index 1"),
        ({"log_weights": [0.0, np.inf]}, InputError, "log_weights: .* inf at flat index 1"),
        ({"weights": ["a"]}, DtypeError, "weights: expected real numbers"),
        (
            {"weights": [1.0], "m": 0},
            InputError,
            "m: expected an integer from 1 to 4294967039, got 0",
        ),
        ({"weights": [1.0], "m": 2.5}, DtypeError, "m: expected an integer"),
        ({"weights": [1.0], "scheme": "best"}, InputError, "scheme: expected one of .*'best'"),
        ({"weights": [1.0], "seed": -1}, InputError, "seed: expected"),
        ({"weights": [1.0], "m": 3, "scheme": "killing"}, ShapeError, "m: expected .* 1, got 3"),
        ({"weights": [1.0], "m": 3, "in_place": True}, ShapeError, "m: expected the number of"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        ts.resample(**arguments)


def test_log_mean_weight_refuses_nan():
    with pytest.raises(InputError, match="log_weights: expected at least one entry and no NaN"):
        ts.log_mean_weight(log_weights=[0.0, np.nan])
