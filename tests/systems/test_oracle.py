"""The simulator against the equations written out in NumPy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import keller_segel_oracle as oracle
from twostep_rs.errors import StepSizeWarning
from twostep_rs.systems import KellerSegel

SETTINGS = [
    (3, "laminar", "printed"),
    (3, "laminar", "blob"),
    (3, "laminar", "plummer"),
    (3, "kolmogorov", "printed"),
    (3, "kolmogorov", "blob"),
    (3, "kolmogorov", "plummer"),
    (4, "laminar", "green4d"),
    (4, "laminar", "literal"),
]

# One lane, less than a tile, whole tiles, an odd and an even number of tiles.
SIZES = [1, 2, 37, 256, 257, 700, 1024]


def relative_error(got, expected):
    """Error of each particle over its size: both are vectors."""
    size = np.linalg.norm(expected, axis=1)
    return (np.linalg.norm(got - expected, axis=1) / size).max()


def strong(dim, flow, kernel, **overrides):
    return KellerSegel(dim, flow, "aggregating", kernel=kernel, mu=0.0, **overrides)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("dim", "flow", "kernel"), SETTINGS)
def test_one_step_without_noise(dim, flow, kernel, n):
    ks = strong(dim, flow, kernel, duration=1e-3, dt=1e-3, integrator="euler", delta=0.05)
    x = ks.prior(n, seed=n)
    got = ks.simulate(7.0, source=x).target
    assert relative_error(got, oracle.simulate_without_noise(ks, x, 7.0)) < 1e-12


@pytest.mark.parametrize("delta", [1e-3, 0.02, 0.5, 3.0])
@pytest.mark.parametrize(("dim", "flow", "kernel"), SETTINGS)
def test_pair_forces(dim, flow, kernel, delta):
    ks = strong(dim, flow, kernel, delta=delta)
    x = ks.prior(600, seed=1) * [4.0] + 2.0
    got = ks.drift(x, 3.0, flow=False)
    expected = oracle.chemotaxis(x, kernel, delta, 80.0 * ks.constants.kernel_constant)
    # The forces on a particle cancel in part: the error is measured against their mean size.
    assert np.abs(got - expected).max() < 1e-13 * np.linalg.norm(expected, axis=1).mean()


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 1e6])
@pytest.mark.parametrize(("dim", "flow", "kernel"), SETTINGS)
def test_pair_forces_at_all_scales(dim, flow, kernel, scale):
    ks = strong(dim, flow, kernel, delta=1e-3 * scale)
    x = ks.prior(300, seed=2) * scale
    expected = oracle.chemotaxis(x, kernel, ks.constants.delta, 80.0 * ks.constants.kernel_constant)
    got = ks.drift(x, 0.0)
    assert np.abs(got - expected).max() < 1e-13 * np.linalg.norm(expected, axis=1).mean()


@pytest.mark.parametrize("kernel", ["printed", "blob", "plummer"])
def test_close_pairs(kernel):
    """Pairs from far below delta to far above it, where the singular laws are steep."""
    ks = strong(3, "laminar", kernel, delta=1e-3)
    for distance in np.geomspace(1e-9, 1e2, 45):
        x = np.array([[0.0, 0.0, 0.0], [distance, 0.0, 0.0]])
        expected = oracle.chemotaxis(x, kernel, 1e-3, 80.0 * ks.constants.kernel_constant)
        np.testing.assert_allclose(ks.drift(x, 0.0), expected, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(("dim", "flow", "kernel"), SETTINGS)
def test_coincident_particles_feel_nothing_of_each_other(dim, flow, kernel, precision):
    ks = strong(dim, flow, kernel, precision=precision)
    same = np.full((300, dim), 0.3)
    np.testing.assert_array_equal(ks.drift(same, 0.0), np.zeros((300, dim)))


@pytest.mark.parametrize("integrator", ["euler", "heun", "rk4"])
@pytest.mark.parametrize(("dim", "flow"), [(3, "laminar"), (3, "kolmogorov"), (4, "laminar")])
def test_integrators_over_several_steps(dim, flow, integrator):
    # A wide regularisation: close pairs would amplify the rounding from step to step.
    steps = {"duration": 0.01, "dt": 2.5e-3, "substeps": 2, "delta": 0.2}
    ks = KellerSegel(dim, flow, "aggregating", mu=0.0, integrator=integrator, **steps)
    x = ks.prior(300, seed=3)
    got = ks.simulate(9.0, source=x).target
    assert relative_error(got, oracle.simulate_without_noise(ks, x, 9.0)) < 1e-12


@pytest.mark.parametrize(
    ("substeps", "sigma", "every"), [(3, 9.0, 3), (7, 100.0, 1), (40, 60.0, 20)]
)
def test_splitting_over_several_rounds(substeps, sigma, every):
    steps = {"duration": 0.01, "dt": 5e-3, "substeps": substeps, "delta": 0.2}
    ks = KellerSegel(3, "kolmogorov", "aggregating", mu=0.0, integrator="strang", **steps)
    x = ks.prior(300, seed=3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StepSizeWarning)
        got = ks.simulate(sigma, source=x).target
    # The flow is chaotic: rounding grows by two orders at 100.
    assert relative_error(got, oracle.simulate_split(ks, x, sigma, every)) < 1e-10


def test_parts_of_the_drift_add_up():
    ks = KellerSegel(physics="aggregating")
    x = ks.prior(500, seed=4)
    both = ks.drift(x, 20.0)
    pulled, carried = ks.drift(x, 20.0, flow=False), ks.drift(x, 20.0, chemotaxis=False)
    np.testing.assert_allclose(both, pulled + carried, rtol=0, atol=1e-14 * np.abs(both).max())
    np.testing.assert_array_equal(ks.drift(x, 20.0, flow=False, chemotaxis=False), np.zeros_like(x))
    np.testing.assert_array_equal(carried[:, 1:], np.zeros_like(x[:, 1:]))


@pytest.mark.parametrize(("dim", "flow", "kernel"), SETTINGS)
def test_single_precision_is_close_to_double(dim, flow, kernel):
    ks = strong(dim, flow, kernel, delta=0.02)
    x = ks.prior(2000, seed=5) + 1000.0  # far from the origin costs no precision
    double = ks.drift(x, 0.0)
    single = strong(dim, flow, kernel, delta=0.02, precision="float32").drift(x, 0.0)
    error = np.linalg.norm(single - double, axis=1) / np.linalg.norm(double, axis=1).mean()
    assert 0.0 < error.max() < 1e-4
    assert np.sqrt((error**2).mean()) < 2e-6
