"""One seed fixes everything: threads, instruction sets and interruptions change nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from twostep_rs.systems import KellerSegel

SYSTEMS = [(3, "laminar", "paper"), (3, "kolmogorov", "aggregating"), (4, "laminar", "paper")]


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize(("dim", "flow", "physics"), SYSTEMS)
def test_clouds_are_bitwise_equal_for_any_number_of_threads(dim, flow, physics, precision):
    """More than 4096 particles: fewer are drawn and moved by a single thread."""
    ks = KellerSegel(dim, flow, physics, precision=precision)
    one, two, seven = (ks.simulate(5.0, n=4100, seed=1, threads=t) for t in (1, 2, 7))
    for other in (two, seven):
        np.testing.assert_array_equal(one.source, other.source)
        np.testing.assert_array_equal(one.target, other.target)


def test_seed_and_sigma_determine_source_and_path():
    ks = KellerSegel(chi=0.0)
    a, again = ks.simulate(10.0, n=500, seed=1), ks.simulate(10.0, n=500, seed=1)
    np.testing.assert_array_equal(a.target, again.target)

    other_sigma, other_seed = ks.simulate(11.0, n=500, seed=1), ks.simulate(10.0, n=500, seed=2)
    np.testing.assert_array_equal(a.source, other_sigma.source)
    assert (a.source != other_seed.source).all()

    def path(cloud):  # the transverse axes see no flow
        return (cloud.target - cloud.source)[:, 1:].ravel()

    for other in (other_sigma, other_seed):
        correlation = np.corrcoef(path(a), path(other))[0, 1]
        assert abs(correlation) < 5 / np.sqrt(1000)


def test_fewer_particles_are_the_first_of_more():
    ks = KellerSegel(chi=0.0)
    few, many = ks.simulate(10.0, n=100, seed=3), ks.simulate(10.0, n=5000, seed=3)
    np.testing.assert_array_equal(few.target, many.target[:100])


def test_noise_is_independent_of_the_prior():
    cloud = KellerSegel(chi=0.0, mu=1.0).simulate(0.0, n=20_000, seed=4)
    step = cloud.target - cloud.source
    correlation = np.corrcoef(step.T, cloud.source.T)[:3, 3:]
    assert np.abs(correlation).max() < 5 / np.sqrt(20_000)


DRIFTS = """
import sys
import numpy as np
from twostep_rs import build_info
from twostep_rs.systems import KellerSegel

assert build_info()["simd"] == sys.argv[1], build_info()["simd"]
drifts = {}
for dim, kernels in ((3, ("printed", "blob", "plummer")), (4, ("green4d", "literal"))):
    for kernel in kernels:
        for precision in ("float64", "float32"):
            ks = KellerSegel(dim, physics="aggregating", kernel=kernel, precision=precision)
            drifts[kernel + precision] = ks.drift(ks.prior(700, 1), 10.0)
np.savez(sys.argv[2], **drifts)
"""


def test_instruction_sets_agree(tmp_path):
    results = {}
    for simd in ("scalar", "v3", "v4"):
        file = tmp_path / f"{simd}.npz"
        environment = {**os.environ, "TWOSTEP_SIMD": simd}
        command = [sys.executable, "-c", DRIFTS, simd, str(file)]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if simd != "scalar" and run.returncode and "AssertionError" in run.stderr:
            continue  # this processor does not have it
        assert run.returncode == 0, run.stderr
        results[simd] = np.load(file)
    for got in results.values():
        for name, expected in results["scalar"].items():
            scale = np.linalg.norm(expected, axis=1).mean()
            tolerance = 1e-12 if name.endswith("float64") else 1e-4
            assert np.abs(got[name] - expected).max() < tolerance * scale


def test_progress_is_reported_in_order_and_within_the_total():
    seen = []
    ks = KellerSegel(physics="aggregating")
    ks.simulate(1.0, n=5000, threads=1, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) > 2
    done, totals = zip(*seen, strict=True)
    assert len(set(totals)) == 1
    assert list(done) == sorted(done)
    assert 0 < done[-1] <= totals[0]


def test_an_exception_in_the_progress_callback_stops_the_simulation():
    def refuse(done, total):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        KellerSegel(physics="aggregating", substeps=100).simulate(1.0, progress=refuse)
