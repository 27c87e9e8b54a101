"""References without a network, against what they are for Gaussians that move."""

from __future__ import annotations

import numpy as np
import pytest

from training_problem import Shift, clouds
from twostep_rs.baselines import EntropicMap, InterpolatedCloud, NearestCloud, interpolation
from twostep_rs.baselines.neighbours import neighbours
from twostep_rs.errors import InputError
from twostep_rs.systems import Cloud


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [(1.0, (0, 1, 0.0)), (3.0, (1, 2, 0.5)), (5.0, (1, 2, 1.5)), (0.5, (0, 1, -0.5))],
)
def test_neighbours_are_those_around_or_the_nearest_two(parameter, expected):
    assert neighbours([1.0, 2.0, 4.0], parameter) == expected


def test_the_nearest_cloud_is_copied_without_repeats():
    source = Shift().prior(50, 3)
    known = clouds()
    found = NearestCloud(known)(source, 3.5)
    rows = {tuple(row) for row in known[4.0].target}
    assert len({tuple(row) for row in found} & rows) == 50
    assert np.array_equal(found, NearestCloud(known)(source, 3.5))
    assert not np.array_equal(found, NearestCloud(known)(source + 1.0, 3.5))
    assert NearestCloud(known)(Shift().prior(300, 3), 3.5).shape == (300, 2)


@pytest.mark.parametrize("parameter", [1.0, 3.0, 5.0])
def test_clouds_that_are_shifted_are_interpolated_exactly(parameter):
    source = Shift().prior(200, 3)
    found = InterpolatedCloud(clouds())(source, parameter)
    expected = Shift().simulate(parameter, n=200, seed=7).target
    np.testing.assert_allclose(np.sort(found, axis=0), np.sort(expected, axis=0), atol=1e-12)


def test_of_large_clouds_some_particles_are_interpolated(monkeypatch):
    monkeypatch.setattr(interpolation, "_MOST_PARTICLES", 60)
    source = Shift().prior(200, 3)
    found = InterpolatedCloud(clouds())(source, 3.0)
    expected = Shift().simulate(3.0, n=200, seed=7).target
    apart = np.abs(found[:, None] - expected).max(axis=2)
    assert (apart.min(axis=1) < 1e-12).all()
    assert len(set(apart.argmin(axis=1))) <= 60


def test_clouds_on_a_torus_go_the_shorter_way():
    near, far = np.array([[5.9, 1.0]]), np.array([[0.1, 1.0]])
    known = {1.0: Cloud(near, near, True), 2.0: Cloud(near, far, True)}
    found = InterpolatedCloud(known, period=(6.0, 6.0))(near, 1.75)
    np.testing.assert_allclose(found, [[0.05, 1.0]], atol=1e-12)


def test_the_entropic_map_shrinks_gaussians_as_its_closed_form():
    """Slope of the plan between N(0, 1) and N(m, s^2): Janati et al. 2020, in one dimension."""
    spread, n = 0.5, 4_000
    source = np.random.default_rng(0).normal(size=(n, 1))
    source = (source - source.mean()) / source.std()
    known = {p: Cloud(source, p + spread * source, True) for p in (1.0, 2.0)}
    carry = EntropicMap(known, epsilon=0.3)
    half = 0.5 * 0.3 * (1.0**2 + 1.0 + spread**2)  # mean cost at p = 1
    slope = 0.5 * ((4.0 * spread**2 + half**2) ** 0.5 - half)
    x = np.array([[-1.0], [0.0], [1.0]])
    np.testing.assert_allclose(carry(x, 1.0), 1.0 + slope * x, atol=0.02)
    middle = 0.5 * (carry(x, 1.0) + carry(x, 2.0))
    np.testing.assert_allclose(carry(x, 1.5), middle, atol=1e-9)


def test_one_parameter_alone_is_not_enough():
    one = clouds(parameters=(1.0,))
    for make in (InterpolatedCloud, EntropicMap):
        with pytest.raises(InputError, match="clouds: expected at least two parameters, got 1"):
            make(one)(Shift().prior(5, 0), 1.0)
    with pytest.raises(InputError, match="clouds: expected at least one parameter, got none"):
        NearestCloud({})
