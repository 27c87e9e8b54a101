"""The object that users hold, and what it refuses."""

from __future__ import annotations

import pickle
import re
import warnings

import numpy as np
import pytest

import twostep_rs as ts
from twostep_rs.errors import DtypeError, InputError, ShapeError, StepSizeWarning
from twostep_rs.systems import Cloud, Domain, KellerSegel, System


def test_presets():
    paper = KellerSegel().constants
    assert (paper.mu, paper.delta, paper.kernel) == (0.01, 1e-3, "printed")
    assert paper.chi * paper.total_mass * paper.kernel_constant == pytest.approx(1 / (8 * np.pi))
    assert (paper.steps, paper.substeps, paper.integrator) == (4, 1, "euler")
    assert KellerSegel(physics="aggregating").attraction == pytest.approx(80 / (4 * np.pi))
    four = KellerSegel(4, physics="aggregating")
    assert four.attraction == pytest.approx(80 / (2 * np.pi**2))
    assert four.constants.kernel == "green4d"
    resolved = KellerSegel(3, "kolmogorov", "resolved")
    assert resolved.constants.dt / resolved.substeps(110.0) <= 0.1 / (2 * np.pi * 110.0)
    assert resolved.substeps(0.0) == 1


def test_a_kernel_brings_its_own_constant():
    assert (
        KellerSegel(4, kernel="literal").constants.kernel_constant
        == KellerSegel().constants.kernel_constant
    )
    assert KellerSegel(kernel="blob", kernel_constant=2.0).constants.kernel_constant == 2.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chi", 2.0),
        ("total_mass", 3.0),
        ("kernel_constant", 0.1),
        ("mu", 0.5),
        ("delta", 0.3),
        ("kernel", "blob"),
        ("duration", 0.04),
        ("dt", 0.01),
        ("substeps", 7),
        ("integrator", "rk4"),
        ("precision", "float32"),
    ],
)
def test_each_constant_can_be_overridden_and_acts(name, value):
    changed, plain = KellerSegel(**{name: value}), KellerSegel()
    assert getattr(changed.constants, name) == value
    a, b = (ks.simulate(3.0, n=300, seed=0).target for ks in (changed, plain))
    assert (a != b).any()


def test_the_object_is_a_value():
    ks = KellerSegel(4, mu=0.5)
    assert ks == KellerSegel(4, mu=0.5) != KellerSegel(4)
    assert pickle.loads(pickle.dumps(ks)) == ks
    assert hash(ks) == hash(KellerSegel(4, mu=0.5))
    assert "mu=0.5" in repr(ks)
    with pytest.raises(AttributeError):
        ks.dim = 3


def test_it_is_a_system():
    ks = ts.systems.KellerSegel()
    assert isinstance(ks, System)
    assert (ks.dim, ks.domain) == (3, Domain())


def test_clouds():
    ks = KellerSegel()
    cloud = ks.simulate(20.0, n=10, seed=0)
    assert cloud.paired
    assert cloud.dim == 3
    for points in (cloud.source, cloud.target):
        assert points.shape == (10, 3)
        assert points.dtype == np.float64
    np.testing.assert_array_equal(cloud.source, ks.prior(10, seed=0))
    given = ks.simulate(20.0, seed=0, source=cloud.source)
    np.testing.assert_array_equal(given.target, cloud.target)


@pytest.mark.parametrize("convert", [np.float32, np.asfortranarray, lambda x: x.tolist(), np.flip])
def test_any_real_layout_is_taken(convert):
    x = KellerSegel().prior(50, seed=1).astype(np.float32).astype(np.float64)
    given = convert(x)
    expected = np.array(given, dtype=np.float64, order="C")
    ks = KellerSegel()
    np.testing.assert_array_equal(ks.drift(given, 3.0), ks.drift(expected, 3.0))
    np.testing.assert_array_equal(ks.simulate(3.0, source=given).source, expected)


def test_the_source_is_left_alone():
    ks = KellerSegel()
    x = ks.prior(50, seed=1)
    before = x.copy()
    ks.simulate(100.0, source=x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dim": 2}, r"dim: expected one of \[3, 4\], got 2"),
        ({"dim": 3.0}, "dim: expected an integer, got 3.0"),
        ({"flow": "shear"}, r"flow: expected one of \['laminar', 'kolmogorov'\], got 'shear'"),
        ({"dim": 4, "flow": "kolmogorov"}, r"flow: expected one of \[.laminar.\], got .kolmogorov"),
        ({"physics": "real"}, r"physics: expected one of \['paper', .*\], got 'real'"),
        ({"kernel": "newton"}, "kernel: expected one of .*, got 'newton'"),
        ({"kernel": "green4d"}, "kernel: expected one of .*printed.*, got .green4d"),
        ({"dim": 4, "kernel": "blob"}, "kernel: expected one of .*green4d.*, got .blob"),
        ({"integrator": "leapfrog"}, "integrator: expected one of .*, got 'leapfrog'"),
        ({"precision": "float16"}, "precision: expected one of .*, got 'float16'"),
        ({"detla": 0.1}, "expected one of the constants .*did you mean 'delta'"),
        ({"delta": 0.0}, "delta: expected a finite number above 0, got 0.0"),
        ({"delta": np.nan}, "delta: expected a finite number above 0, got nan"),
        ({"mu": -1.0}, "mu: expected a finite number of at least 0, got -1.0"),
        ({"chi": np.inf}, "chi: expected a finite number of at least 0, got inf"),
        ({"chi": "1"}, "chi: expected a real number, got '1'"),
        ({"duration": 0.0}, "duration: expected a finite number above 0"),
        ({"dt": 0.03}, "dt: expected at most the duration 0.02, got 0.03"),
        ({"dt": 0.003}, r"dt: expected a whole fraction of the duration, got 0.003 \(near 0.00285"),
        ({"dt": -0.01}, "dt: expected a finite number above 0"),
        ({"substeps": 0}, "substeps: expected at least 1, got 0"),
        ({"substeps": "many"}, "substeps: expected an integer, got 'many'"),
        ({"substeps": 2**40}, "substeps: expected at most 4294967295 steps in all"),
        ({"dt": 1e-12}, "dt: expected at most 4294967295 steps in all, got 1e-12"),
        ({"dt": 1e-320}, "dt: expected at most 4294967295 steps in all"),
        (
            {"chi": 1e200, "total_mass": 1e200},
            "attraction: expected a non-negative number, got inf",
        ),
    ],
)
def test_bad_constants(arguments, message):
    with pytest.raises(InputError, match=message):
        KellerSegel(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"sigma": -1.0}, InputError, "sigma: expected a finite number of at least 0, got -1.0"),
        ({"sigma": np.nan}, InputError, "sigma: expected a finite number"),
        ({"sigma": "fast"}, DtypeError, "sigma: expected a real number, got 'fast'"),
        ({"sigma": True}, DtypeError, "sigma: expected a real number, got True"),
        ({"sigma": 1e308, "n": 5}, InputError, "expected (finite values|an extent)"),
        ({"n": 0}, InputError, "n: expected at least 1, got 0"),
        ({"n": -3}, InputError, "n: expected at least 1, got -3"),
        ({"n": 10.5}, DtypeError, "n: expected an integer, got 10.5"),
        ({"seed": -1}, InputError, "seed: expected an integer from 0 to"),
        ({"seed": 2**64}, InputError, "seed: expected an integer from 0 to"),
        ({"threads": 0}, InputError, "threads: expected at least 1, got 0"),
        ({"source": np.zeros((0, 3))}, ShapeError, "source: expected at least one point"),
        (
            {"source": np.zeros((5, 2))},
            ShapeError,
            r"source: expected shape \(n, 3\), got \(5, 2\)",
        ),
        ({"source": np.zeros(3)}, ShapeError, r"source: expected shape \(n, d\), got \(3,\)"),
        ({"source": [[1, 2, 3], [1, 2]]}, ShapeError, "source: expected a rectangular array"),
        ({"source": np.zeros((5, 3)), "n": 4}, ShapeError, r"source: expected shape \(4, 3\)"),
        ({"source": np.zeros((5, 3), complex)}, DtypeError, "source: .* got dtype complex128"),
        ({"source": [["a", "b", "c"]]}, DtypeError, "source: expected real numbers, got dtype <U1"),
        ({"source": np.full((2, 3), None)}, DtypeError, "got dtype object"),
        (
            {"source": np.full((2, 3), np.nan)},
            InputError,
            "source: expected finite values, got NaN",
        ),
        ({"source": [[0, 0, 1], [0, np.inf, 0]]}, InputError, "got inf at flat index 4"),
    ],
)
def test_bad_arguments_of_simulate(arguments, error, message):
    with pytest.raises(error, match=message):
        KellerSegel().simulate(**{"sigma": 1.0, **arguments})


def test_automatic_substeps_have_a_limit():
    with pytest.raises(InputError, match="steps in all"):
        KellerSegel(3, "kolmogorov", "resolved").simulate(1e308, n=5)


@pytest.mark.parametrize(
    ("x", "error"),
    [
        (np.zeros((0, 3)), ShapeError),
        (np.zeros((4, 4)), ShapeError),
        (np.full((4, 3), np.nan), InputError),
        (np.zeros((4, 3), bool), DtypeError),
    ],
)
def test_bad_points_of_drift(x, error):
    with pytest.raises(error, match=r"^x: expected"):
        KellerSegel().drift(x, 1.0)


def test_a_drift_out_of_range_is_an_error():
    ks = KellerSegel(kernel_constant=1e300, delta=1e-10)
    with pytest.raises(InputError, match=r"^drift: expected finite values"):
        ks.drift([[0.0, 0.0, 0.0], [1e-10, 1e-11, 0.0]], 0.0)


def test_bad_arguments_of_prior():
    with pytest.raises(InputError, match=r"^n: expected at least 1, got 0"):
        KellerSegel().prior(0, seed=1)
    with pytest.raises(InputError, match=r"^seed: expected"):
        KellerSegel().prior(1, seed=-1)


def test_a_folded_kolmogorov_flow_warns_once():
    ks = KellerSegel(3, "kolmogorov")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for sigma in (15.0, 20.0, 110.0):
            ks.simulate(sigma, n=5)
    assert [w.category for w in caught] == [StepSizeWarning]
    assert re.search(r"coarse .* sigma = 15\.9, .* caustics above 31\.8", str(caught[0].message))
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    "ks",
    [
        KellerSegel(3, "kolmogorov", "resolved"),
        KellerSegel(3, "kolmogorov", substeps=10),
        KellerSegel(3, "laminar"),
    ],
)
def test_fine_steps_do_not_warn(ks):
    ks.simulate(110.0, n=5)


def test_cloud_checks_its_arrays():
    x = np.zeros((4, 3))
    assert Cloud(x, np.zeros((5, 3)), paired=False).target.shape == (5, 3)
    with pytest.raises(ShapeError, match="target"):
        Cloud(x, np.zeros((5, 3)), paired=True)
    with pytest.raises(ShapeError, match="target"):
        Cloud(x, np.zeros((4, 2)), paired=False)
    with pytest.raises(ShapeError, match="source"):
        Cloud(np.zeros((0, 3)), x, paired=False)
    with pytest.raises(InputError, match="target"):
        Cloud(x, np.full((4, 3), np.nan), paired=True)
    with pytest.raises(DtypeError, match="source"):
        Cloud(x.astype(complex), x, paired=True)


def test_domain_checks_its_periods():
    assert Domain((1, 2.0)).period == (1.0, 2.0)
    with pytest.raises(InputError, match="period"):
        Domain((1.0, 0.0))
