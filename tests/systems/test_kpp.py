"""Feynman-Kac particles against closed forms, one-dimensional problems and dense matrices.

Runs fix their seeds. Estimates of growth are held to five of their standard errors; with batch
means of 16 batches a correct estimate exceeds that with probability below 2e-4.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from kpp_oracle import EulerOracle, shear_growth
from twostep_rs import _memory
from twostep_rs.errors import DtypeError, InputError, ShapeError, WrappedWarning
from twostep_rs.systems import FLOWS, KPP, Domain, Generations, KellerSegel, System

SCHEMES = ["systematic", "stratified", "multinomial", "residual", "ssp", "killing"]


def assert_near(fk: Generations, growth: float):
    assert 0.0 < fk.standard_error < 0.004
    assert abs(fk.mu0 - growth) < 5.0 * fk.standard_error


@pytest.mark.parametrize("dim", [2, 3])
def test_without_a_flow_the_growth_is_exact(dim):
    kpp = KPP(dim, flow=("0",) * dim, lam=1.5, r=0.7)
    fk = kpp.run(0.3, particles=500, generations=4, seed=0)
    np.testing.assert_allclose(fk.growth, 0.3 * 1.5**2, rtol=1e-14)
    assert fk.c() == pytest.approx((0.3 * 1.5**2 + 0.7) / 1.5)
    np.testing.assert_array_equal(fk.ancestors, 500)


def test_a_constant_flow_carries_the_particles():
    kpp = KPP(flow=("0.5", "-0.25"), lam=2.0, dt=1 / 16)
    kappa, n = 0.02, 20_000
    fk = kpp.run(kappa, initial=np.full((n, 2), 3.0), generations=1)
    np.testing.assert_allclose(fk.growth, kappa * 4 + 1.0, rtol=1e-13)
    error = np.sqrt(2 * kappa / n)
    drift = [2 * kappa * 2.0 + 0.5, -0.25]
    assert np.abs(fk.cloud.mean(axis=0) - 3.0 - drift).max() < 5 * error
    assert np.abs(fk.cloud.var(axis=0) / (2 * kappa) - 1).max() < 5 * np.sqrt(2 / n)


@pytest.mark.parametrize("strength", [1.0, 3.0])
def test_shear_flow_against_its_problem_on_the_circle(strength):
    kpp = KPP(flow=(f"{strength}*sin(y)", "0"), dt=1 / 16)
    fk = kpp.run(0.1, generations=300, burn_in=40, seed=1)
    assert_near(fk, shear_growth(0.1, 2.0, strength, 16))


CASES = [
    (2, "cell2d", 16, 7),
    (2, "cell2d-divfree", 16, 7),
    (3, "kolmogorov3d", 8, 3),
]


@pytest.mark.parametrize(("dim", "flow", "steps", "cutoff"), CASES)
def test_named_flows_against_dense_matrices(dim, flow, steps, cutoff):
    """Growth and law; the matrices are exact to about 1e-5 with these few modes."""
    kpp = KPP(dim, flow, dt=1 / steps)
    oracle = EulerOracle(kpp, 0.25, steps, cutoff)
    fk = kpp.run(0.25, generations=300, burn_in=40, seed=1)
    assert_near(fk, oracle.growth)
    for k in np.eye(dim, dtype=int):
        wave = np.exp(1j * fk.cloud @ k).mean()
        assert abs(wave - oracle.mean_wave(k)) < 5.0 / np.sqrt(len(fk.cloud))


@pytest.fixture(scope="module")
def cells():
    kpp = KPP(dt=1 / 16)
    return kpp, EulerOracle(kpp, 0.25, 16, 7).growth


@pytest.mark.parametrize(
    "options",
    [
        *({"resampling": scheme, "every": 8} for scheme in SCHEMES),
        {"every": 5},
        {"ess": 0.5},
        {"ess": 0.9, "resampling": "ssp"},
    ],
)
def test_every_way_of_resampling_has_the_same_growth(cells, options):
    kpp, growth = cells
    assert_near(kpp.run(0.25, generations=200, burn_in=40, seed=2, **options), growth)


def test_systematic_resampling_is_much_quieter_than_multinomial():
    kpp = KPP(dt=2**-6)
    quiet, loud = (
        kpp.run(0.25, particles=4000, generations=60, burn_in=20, resampling=scheme)
        for scheme in ("systematic", "multinomial")
    )
    assert loud.growth[20:].var() > 10 * quiet.growth[20:].var()


def test_richardson_on_particles(cells):
    """The error of the scheme at these steps is 20 standard errors; the extrapolation has none."""
    kpp = KPP()
    growth = kpp.run(0.25, dt=1 / 32, richardson=True, generations=300, burn_in=40, seed=3)
    fine, coarse = (EulerOracle(kpp, 0.25, steps, 7).growth for steps in (32, 16))
    assert_near(growth, 2 * fine - coarse)
    assert growth.richardson
    assert abs(growth.mu0 - coarse) > 5 * growth.standard_error


@pytest.mark.parametrize(("dim", "flow"), [(2, "cell2d"), (3, "kolmogorov3d")])
def test_heun_needs_few_steps(dim, flow):
    """With 32 steps a period there is no error left that a run can show."""
    kpp = KPP(dim, flow, dt=1 / 32, integrator="heun")
    fk = kpp.run(0.25, generations=300, burn_in=40, seed=5)
    assert_near(fk, kpp.reference(0.25, cache=False).growth)


def test_heun_is_of_second_order_and_richardson_knows_it():
    """Half the step, a quarter of the error: 0.057 and 0.016, with standard errors of 0.0003."""
    kpp = KPP(flow=("3*sin(y)", "0"), integrator="heun")
    exact = shear_growth(0.5, 2.0, 3.0, None)
    coarse, fine, both = (
        kpp.run(0.5, dt=1 / steps, richardson=richardson, generations=300, burn_in=40, seed=6)
        for steps, richardson in ((2, False), (4, False), (4, True))
    )
    assert 0.2 < (fine.mu0 - exact) / (coarse.mu0 - exact) < 0.35
    np.testing.assert_allclose(both.growth, (4 * fine.growth - coarse.growth) / 3, rtol=1e-12)
    assert abs(both.mu0 - exact) < 0.3 * abs(fine.mu0 - exact)


def test_the_law_of_heun_is_the_exact_one():
    """Where relaxation is slow Euler's law is off by its error of a step times the relaxation time.

    Means of a wave over eight generations of each of two runs scatter by about 0.01.
    """
    options = {"generations": 200, "population": 5000, "spacing": 32, "dt": 1 / 16}
    kpp, euler = (
        KPP(3, "kolmogorov3d", integrator=integrator, **options) for integrator in ("heun", "euler")
    )
    kappa, k = 0.125, np.array([0, 1, 0])
    law = kpp.reference(kappa).sample(200_000, 0)

    def wave(system: KPP) -> complex:
        clouds = [system.simulate(kappa, n=40_000, seed=seed).target for seed in (0, 1)]
        return np.exp(1j * np.concatenate(clouds) @ k).mean()

    exact = np.exp(1j * law @ k).mean()
    assert abs(wave(kpp) - exact) < 0.05 < 0.1 < abs(wave(euler) - exact)


def test_expressions_are_the_flows():
    x = np.random.default_rng(0).uniform(0, 2 * np.pi, (500, 3))
    a = 1.5 * np.cos(2 * np.pi * 0.3)
    s = np.sin(2 * np.pi * 0.3)
    expected = {
        "cell2d": [
            -np.cos(x[:, 1]) - a * np.sin(x[:, 0]),
            np.cos(x[:, 0]) + a * np.sin(x[:, 1]),
        ],
        "cell2d-divfree": [
            -np.cos(x[:, 1]) - a * np.sin(x[:, 1]),
            np.cos(x[:, 0]) + a * np.sin(x[:, 0]),
        ],
        "kolmogorov3d": [np.sin(x[:, j] + s) for j in (2, 0, 1)],
    }
    assert set(expected) == set(FLOWS)
    for name, v in expected.items():
        kpp = KPP(len(v), name, theta=1.5)
        got = kpp.velocity(x[:, : len(v)], t=0.3)
        np.testing.assert_allclose(got, np.stack(v, axis=1), atol=1e-14)


def test_a_flow_of_ones_own_is_the_named_one():
    x1x2 = ("-cos(x2) - 1.0*cos(2*pi*t)*sin(x1)", "cos(x1) + 1.0*cos(2*pi*t)*sin(x2)")
    own, named = (KPP(flow=flow).run(0.25, 1000, 3) for flow in (x1x2, "cell2d"))
    np.testing.assert_allclose(own.growth, named.growth, atol=1e-9)


@pytest.mark.parametrize("options", [{}, {"resampling": "multinomial"}, {"ess": 0.99}])
def test_threads_change_nothing(options):
    kpp = KPP(3, "kolmogorov3d", dt=1 / 16)
    one, two, seven = (kpp.run(0.1, 5001, 4, seed=1, threads=t, **options) for t in (1, 2, 7))
    for other in (two, seven):
        np.testing.assert_array_equal(one.cloud, other.cloud)
        np.testing.assert_array_equal(one.growth, other.growth)
        np.testing.assert_array_equal(one.ess, other.ess)


def test_seeds_and_diffusivities_have_their_own_noise():
    kpp = KPP(flow=("0", "0"), dt=0.5)
    start = np.full((4000, 2), 3.0)

    def step(kappa, seed):
        return (kpp.run(kappa, initial=start, generations=1, seed=seed).cloud - 3.0)[:, 1]

    reference = step(0.01, 0)
    for other in (step(0.01, 1), step(0.02, 0)):
        assert abs(np.corrcoef(reference, other)[0, 1]) < 5 / np.sqrt(4000)


SUMS = """
import sys
import numpy as np
from twostep_rs import build_info
from twostep_rs.systems import KPP

assert build_info()["simd"] == sys.argv[1], build_info()["simd"]
fk = KPP(dt=1 / 8).run(0.25, particles=1000, generations=1, every=100)
np.save(sys.argv[2], fk.growth)
"""


def test_instruction_sets_agree(tmp_path):
    """Before the first resampling, which a rounding could decide otherwise.

    The noise is made in single precision, where fused products round by 2^-22 of it otherwise.
    """
    growths = {}
    for simd in ("scalar", "v3", "v4"):
        file = tmp_path / f"{simd}.npy"
        environment = {**os.environ, "TWOSTEP_SIMD": simd}
        command = [sys.executable, "-c", SUMS, simd, str(file)]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if simd != "scalar" and run.returncode and "AssertionError" in run.stderr:
            continue  # this processor does not have it
        assert run.returncode == 0, run.stderr
        growths[simd] = np.load(file)
    for growth in growths.values():
        np.testing.assert_allclose(growth, growths["scalar"], rtol=1e-9)


def test_it_is_a_system():
    kpp = KPP(3, "kolmogorov3d", generations=2, dt=1 / 8)
    assert isinstance(kpp, System)
    assert kpp.domain == Domain((2 * np.pi,) * 3)
    cloud = kpp.simulate(0.1, n=300, seed=4)
    assert not cloud.paired
    assert cloud.target.shape == (300, 3)
    np.testing.assert_array_equal(cloud.source, kpp.prior(300, seed=4))
    np.testing.assert_array_equal(cloud.target, kpp.run(0.1, 300, 2, seed=4, dt=1 / 8).cloud)
    for points in (cloud.source, cloud.target):
        assert ((points >= 0) & (points < 2 * np.pi)).all()
    given = kpp.simulate(0.1, seed=4, source=cloud.source)
    np.testing.assert_array_equal(given.target, cloud.target)


def test_the_object_is_a_value():
    kpp = KPP(flow=["sin(y)", "0"], theta=0.5)
    assert kpp == KPP(flow=("sin(y)", "0"), theta=0.5) != KPP()
    assert pickle.loads(pickle.dumps(kpp)) == kpp
    assert hash(kpp) == hash(KPP(flow=("sin(y)", "0"), theta=0.5))
    with pytest.raises(AttributeError):
        kpp.lam = 1.0


def test_priors():
    n = 40_000
    uniform = KPP().prior(n, seed=1)
    for k in ([1, 0], [0, 1], [1, 1]):
        assert abs(np.exp(1j * uniform @ k).mean()) < 5 / np.sqrt(n)
    gaussian = KPP(prior="gaussian").prior(n, seed=1)
    # The characteristic function of the normal law, at whole numbers, is that of the wrapped one.
    expected = np.exp(-(np.pi**2) / 2) * np.exp(1j * np.pi)
    for k in ([1, 0], [0, 1]):
        assert abs(np.exp(1j * gaussian @ k).mean() - expected) < 5 / np.sqrt(n)
    assert ((gaussian >= 0) & (gaussian < 2 * np.pi)).all()


def test_estimates_of_known_growths():
    growth = np.arange(1.0, 41.0)
    fk = Generations(
        kappa=0.5,
        lam=2.0,
        r=1.0,
        dt=0.1,
        richardson=False,
        burn_in=8,
        cloud=np.zeros((2, 2)),
        growth=growth,
        ess=growth,
        ancestors=np.zeros(40, dtype=np.int64),
    )
    assert fk.mu0 == growth[8:].mean()
    batches = growth[8:].reshape(16, 2).mean(axis=1)
    assert fk.standard_error == pytest.approx(batches.std(ddof=1) / 4)
    assert fk.c("growth") == fk.mu0 / 2
    assert fk.c() == (fk.mu0 + 1) / 2
    assert fk.c("printed") == (fk.mu0 + 0.5) / 2
    np.testing.assert_allclose(fk.running("growth"), (growth + 1) / 4)
    np.testing.assert_allclose(fk.windowed(4, "growth"), (growth[3:] - 1.5) / 2)
    with pytest.raises(InputError, match="normalisation: expected one of"):
        fk.c("other")
    with pytest.raises(InputError, match="width: expected an integer from 1 to 40, got 41"):
        fk.windowed(41)


def test_particles_outside_are_wrapped_and_that_is_said():
    inside = KPP().prior(100, seed=0)
    outside = inside.copy()
    outside[:7] += 2 * np.pi
    with pytest.warns(WrappedWarning, match="initial: 7 of 100 particles lie outside") as caught:
        got = KPP().run(0.25, initial=outside, generations=1)
    assert caught[0].filename == __file__
    expected = KPP().run(0.25, initial=inside, generations=1)
    np.testing.assert_allclose(got.growth, expected.growth, rtol=1e-9)


def test_diversity_and_effective_size():
    kpp = KPP(dt=1 / 64)
    fk = kpp.run(0.05, particles=3000, generations=5)
    assert ((fk.ancestors > 1000) & (fk.ancestors < 3000)).all()
    assert ((fk.ess > 2990) & (fk.ess <= 3000 + 1e-6)).all()
    rare = kpp.run(0.05, particles=3000, generations=5, ess=0.5)
    assert (rare.ess[1:] < fk.ess[1:]).all()


def test_progress_is_reported():
    seen = []
    KPP().run(0.25, generations=40, threads=1, progress=lambda *state: seen.append(state))
    assert len(seen) > 2
    assert {total for _, total in seen} == {40 * 256}
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"dim": 4}, InputError, r"dim: expected one of \[2, 3\], got 4"),
        ({"flow": "cell3d"}, InputError, r"flow: expected one of \['cell2d', .* got 'cell3d'"),
        ({"dim": 3}, InputError, r"flow: expected one of \['kolmogorov3d'\] or 3 expressions"),
        ({"flow": ("x",)}, InputError, r"flow: expected 2 expressions, got \('x',\)"),
        ({"flow": (1, 2)}, InputError, "flow: expected 2 expressions"),
        ({"flow": ("x +", "0")}, InputError, "expected a number, a name .* at position 4 of .x"),
        ({"flow": ("sin(q)", "0")}, InputError, "one of the names x, y, t.*position 5.*got .q"),
        ({"flow": ("x", "0")}, InputError, "flow: expected period 2 pi in x"),
        ({"flow": ("sin(y/2)", "0")}, InputError, "flow: expected period 2 pi in y"),
        ({"flow": ("t", "0")}, InputError, "flow: expected period 1 in t"),
        ({"lam": 0.0}, InputError, "lam: expected a finite number above 0"),
        ({"lam": "fast"}, DtypeError, "lam: expected a real number"),
        ({"r": -1.0}, InputError, "r: expected a finite number of at least 0"),
        ({"theta": np.inf}, InputError, "theta: expected a finite number"),
        ({"dt": 0.3}, InputError, r"dt: expected a whole fraction of the period 1, got 0.3 \(near"),
        ({"dt": 2.0}, InputError, "dt: expected a whole fraction of the period 1"),
        ({"dt": 1e-300}, InputError, "dt: expected a whole fraction of the period 1"),
        ({"generations": 0}, InputError, "generations: expected an integer from 1 .* got 0"),
        ({"resampling": "none"}, InputError, "resampling: expected one of"),
        ({"integrator": "rk4"}, InputError, r"integrator: expected one of \['euler', 'heun'\]"),
        ({"prior": "ball"}, InputError, r"prior: expected one of \['uniform', 'gaussian'\]"),
    ],
)
def test_bad_systems(arguments, error, message):
    with pytest.raises(error, match=message):
        KPP(**arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kappa": 0.0}, InputError, "kappa: expected a finite number above 0, got 0.0"),
        ({"kappa": -1.0}, InputError, "kappa: expected a finite number above 0"),
        ({"kappa": np.nan}, InputError, "kappa: expected a finite number above 0, got nan"),
        ({"particles": 1}, InputError, "particles: expected at least 2, got 1"),
        ({"particles": 2.0}, DtypeError, "particles: expected an integer"),
        ({"generations": 0}, InputError, "generations: expected an integer from 1 .* got 0"),
        ({"generations": 2**31}, InputError, r"generations: expected at most 2\^32 - 1 steps"),
        ({"generations": 2**40}, InputError, "generations: expected an integer from 1"),
        ({"seed": -1}, InputError, "seed: expected an integer from 0"),
        ({"burn_in": 4}, InputError, "burn_in: expected an integer from 0 to 3, got 4"),
        ({"every": 0}, InputError, "every: expected an integer from 1"),
        ({"ess": 0.0}, InputError, "ess: expected a finite number above 0"),
        ({"ess": 1.5}, InputError, "ess: expected above 0 and at most 1, got 1.5"),
        ({"dt": 0.3}, InputError, "dt: expected a whole fraction of the period"),
        ({"dt": 1 / 3, "richardson": True}, InputError, "dt: expected an even number of steps"),
        ({"resampling": "best"}, InputError, "resampling: expected one of"),
        ({"threads": 0}, InputError, "threads: expected at least 1"),
        ({"initial": np.zeros((5, 3))}, ShapeError, r"initial: expected shape \(n, 2\)"),
        ({"initial": np.zeros((1, 2))}, InputError, "initial: expected at least 2 particles"),
        ({"initial": np.zeros((5, 2)), "particles": 4}, ShapeError, r"expected shape \(4, 2\)"),
        ({"initial": [[0.0, np.nan]] * 3}, InputError, "initial: expected finite values"),
        ({"initial": np.zeros((5, 2), complex)}, DtypeError, "initial: .* complex128"),
    ],
)
def test_bad_arguments_of_run(arguments, error, message):
    with pytest.raises(error, match=message):
        KPP().run(**{"kappa": 0.25, "generations": 4, **arguments})


def test_a_flow_that_is_nan_somewhere_says_where():
    kpp = KPP(flow=("log(sin(x) + 0.999)", "0"))
    with pytest.raises(InputError, match=r"flow: .* NaN in component 1 at x = \[4\.\d+, .*, t = 0"):
        kpp.run(0.25, generations=4)


def test_of_many_particles_without_a_velocity_the_first_is_named():
    kpp = KPP(2, ("log(sin(x) + 0.999)", "0"), dt=2.0**-4)
    initial = np.full((20_000, 2), 1.0)
    initial[7_000:, 0] = np.linspace(4.7, 4.73, 13_000)
    said = set()
    for threads in (1, 2, 5):
        with pytest.raises(InputError, match="NaN in component 1") as raised:
            kpp.run(0.25, initial=initial, generations=1, threads=threads)
        said.add(str(raised.value))
    assert len(said) == 1


def test_more_particles_than_memory_are_refused(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text("1000000\n")
    monkeypatch.setattr(_memory, "_CGROUP_LIMIT", limit)
    with pytest.raises(InputError, match=r"particles: expected .* 1000000 particles that need"):
        KPP().run(0.25, particles=1_000_000)
    for system in (KPP(), KellerSegel()):
        with pytest.raises(InputError, match=r"n: expected .* 100000000 particles that need"):
            system.prior(100_000_000)
        with pytest.raises(InputError, match=r"n: expected .* 100000000 particles that need"):
            system.simulate(1.0, 100_000_000)


def test_a_population_is_pooled_over_generations():
    kpp = KPP(generations=2, population=500, spacing=1, dt=1 / 16)
    cloud = kpp.simulate(0.25, 1_500, seed=1)
    assert cloud.source.shape == cloud.target.shape == (1_500, 2)
    np.testing.assert_array_equal(cloud.source, kpp.prior(1_500, seed=1))
    alone = kpp.simulate(0.25, 500, seed=1)
    np.testing.assert_array_equal(cloud.target[:500], alone.target)


def test_pooled_generations_go_on_from_each_other_with_noise_of_their_own():
    n, kappa = 4_000, 1e-3
    still = KPP(flow=("0", "0"), generations=1, population=n, spacing=1, dt=1 / 16)
    cloud = still.simulate(kappa, 4 * n, seed=3)
    places = np.concatenate([cloud.source[:n], cloud.target]).reshape(5, n, 2)
    moves = np.diff(places, axis=0)
    # Nobody dies where all weigh the same, so that a row is a Brownian path.
    moves -= 2 * np.pi * np.round(moves / (2 * np.pi))
    moves[..., 0] -= 2 * kappa * still.lam
    found = np.corrcoef(moves.transpose(0, 2, 1).reshape(8, n))
    assert abs(found - np.eye(8)).max() < 5 / np.sqrt(n)
    assert abs(moves.var(axis=1) / (2 * kappa) - 1).max() < 5 * np.sqrt(2 / n)


def test_a_population_must_divide_what_is_asked_for():
    with pytest.raises(InputError, match="n: expected a multiple of population = 500, got 700"):
        KPP(population=500).simulate(0.25, 700)
    with pytest.raises(InputError, match="population"):
        KPP(population=1)
