"""The deterministic KPP reference against closed forms, itself at other resolutions, and NumPy."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from scipy.special import mathieu_a

from twostep_rs.errors import InputError
from twostep_rs.systems import KPP
from twostep_rs.systems.kpp_reference import Resolution, TorusDensity, cache, solve
from twostep_rs.systems.kpp_reference.euler import EulerMap
from twostep_rs.systems.kpp_reference.modes import HalfSpace

PERIOD = 2.0 * math.pi


def direction(system: KPP, kappa: float, which: str, resolution: Resolution) -> float:
    from dataclasses import replace

    problem = replace(system._problem(kappa, system.lam), direction=which)
    return solve(problem, resolution).growth


@pytest.mark.parametrize("dim", [2, 3])
def test_without_a_flow_everything_is_known(dim: int) -> None:
    still = KPP(dim, ("0",) * dim, lam=1.7).reference(0.3, modes=6, steps=8, cache=False)
    assert still.growth == pytest.approx(0.3 * 1.7**2, abs=1e-12)
    assert still.relaxation == pytest.approx(1.0 / 0.3, rel=1e-10)
    assert still.bin_masses(5) == pytest.approx(np.full((5,) * dim, 5.0**-dim), abs=1e-13)


@pytest.mark.parametrize("kappa", [2.0**-2, 2.0**-4.5])
@pytest.mark.parametrize("lam", [0.5, 2.0])
def test_shear_flow_is_a_mathieu_equation(kappa: float, lam: float) -> None:
    # kappa q'' + (kappa lam^2 + lam a sin y) q = mu q
    strength = 1.5
    shear = KPP(2, (f"{strength}*sin(y)", "0"), lam=lam)
    found = shear.reference(kappa, cache=False)
    characteristic = mathieu_a(0, 2.0 * lam * strength / kappa)
    assert found.growth == pytest.approx(kappa * lam**2 - kappa * characteristic / 4.0, abs=1e-9)


def test_steady_mean_flow_moves_the_front_with_it() -> None:
    calm = KPP(2, "cell2d-divfree").reference(0.25, cache=False)
    flow = ("0.75 - cos(y) - cos(2*pi*t)*sin(y)", "cos(x) + cos(2*pi*t)*sin(x)")
    # In the frame of the wind the flow would swing past; along y the cells do not depend on it.
    shear = KPP(2, ("sin(y)", "0")).reference(0.25, cache=False)
    wind = KPP(2, ("0.75 + sin(y)", "0")).reference(0.25, cache=False)
    assert wind.c("growth") == pytest.approx(shear.c("growth") + 0.75, abs=1e-9)
    assert abs(KPP(2, flow).reference(0.25, cache=False).c() - calm.c()) > 0.1


def test_printed_speeds_of_the_divergence_free_cell() -> None:
    # Computed once by an independent code for the design of this package.
    speeds = KPP(2, "cell2d-divfree").speed_curve(1.0 / 8.0, [0.5, 1.0, 2.0, 3.0], cache=False)
    assert speeds == pytest.approx([2.332, 1.642, 1.456, 1.489], abs=5e-4)


def test_front_speed_is_the_minimum_of_the_curve() -> None:
    system = KPP(2, "cell2d-divfree")
    found = system.front_speed(0.25, low=1.0, high=3.0)
    around = system.speed_curve(0.25, [0.9 * found.lam, 1.1 * found.lam])
    assert found.speed < around.min()
    assert found.speed == pytest.approx(around.mean(), rel=0.01)
    with pytest.raises(InputError, match="lam: expected a minimum between 0"):
        KPP(2, ("0", "0")).front_speed(0.25, low=0.5, high=0.6)


@pytest.mark.parametrize("flow", ["cell2d", "cell2d-divfree"])
def test_plane_converges(flow: str) -> None:
    system = KPP(2, flow)
    coarse = system.reference(2.0**-3, cache=False)
    fine = system.reference(
        2.0**-3, modes=3 * coarse.modes // 2, steps=3 * coarse.steps // 2, cache=False
    )
    assert coarse.growth == pytest.approx(fine.growth, abs=1e-8)
    assert coarse.bin_masses(72) == pytest.approx(fine.bin_masses(72), abs=1e-8)


def test_space_converges() -> None:
    system = KPP(3, "kolmogorov3d")
    coarse = system.reference(2.0**-2, modes=8, steps=48, cache=False)
    fine = system.reference(2.0**-2, modes=12, steps=72, cache=False)
    assert coarse.growth == pytest.approx(fine.growth, abs=1e-6)


@pytest.mark.parametrize(
    ("dim", "flow", "resolution"),
    [
        (2, "cell2d", Resolution(14, 128)),
        (2, ("-cos(y) - sin(x + 2*pi*t)", "cos(x)*sin(2*y) + sin(2*pi*t)"), Resolution(20, 256)),
        (3, "kolmogorov3d", Resolution(8, 64)),
    ],
)
def test_forward_and_backward_agree(dim: int, flow: str, resolution: Resolution) -> None:
    system = KPP(dim, flow)
    forward, backward = (
        direction(system, 0.25, which, resolution) for which in ("forward", "backward")
    )
    assert forward == pytest.approx(backward, abs=1e-10)


def test_euler_scheme_is_first_order_and_extrapolates() -> None:
    # The biases at 2^-6 and 2^-7 of an independent code, for the printed flow.
    system = KPP(2, "cell2d")
    exact = system.reference(0.25, modes=12).growth
    coarse, fine = (system.reference(0.25, dt=dt, modes=12).growth for dt in (2.0**-6, 2.0**-7))
    assert coarse - exact == pytest.approx(2.28e-3, abs=5e-6)
    assert fine - exact == pytest.approx(1.14e-3, abs=5e-6)
    assert 2.0 * fine - coarse == pytest.approx(exact, abs=1e-5)


def test_euler_scheme_agrees_with_particles() -> None:
    system = KPP(2, "cell2d", dt=2.0**-3)
    expected = system.reference(0.25, dt=2.0**-3, modes=12).growth
    assert abs(expected - system.reference(0.25, modes=12).growth) > 0.015
    run = system.run(0.25, particles=20_000, generations=200, seed=3, burn_in=40)
    assert run.mu0 == pytest.approx(expected, abs=5.0 * run.standard_error)


def test_one_euler_step_of_a_point_is_known() -> None:
    # A point that is moved, weighted and smoothed: its coefficients are those of a wrapped normal.
    kappa, h, place = 0.4, 0.25, np.array([1.0, 2.0])
    system = KPP(2, ("sin(y)", "0.5*cos(x)"), lam=1.5, dt=h)
    modes = HalfSpace.within(2, 3)
    fine = HalfSpace.within(2, 60)  # wide enough for a narrow bump in place of the point
    narrow = 0.05
    k = fine.vectors
    bump = np.exp(-0.5 * narrow**2 * (k**2).sum(axis=1) - 1j * (k @ place))
    problem = system._problem(kappa, 1.5)
    moved = EulerMap(problem, fine, 4)
    moved._velocities, moved._weights = moved._velocities[:1], moved._weights[:1]  # one step
    found = fine.embed(moved(bump), modes)
    v = np.array([math.sin(2.0), 0.5 * math.cos(1.0)])
    drift = v + np.array([2.0 * kappa * 1.5, 0.0])
    weight = math.exp(h * (kappa * 1.5**2 + 1.5 * v[0]))
    k = modes.vectors
    expected = weight * np.exp(-kappa * h * (k**2).sum(axis=1) - 1j * (k @ (place + h * drift)))
    assert abs(found - expected).max() < 20.0 * narrow**2  # the width of the bump


def test_density_bins_marginals_and_samples_agree() -> None:
    law = KPP(3, "kolmogorov3d").reference(0.25, modes=8, steps=48).law
    masses = law.bin_masses(6)
    assert masses.sum() == pytest.approx(1.0, abs=1e-14)
    assert masses.sum(axis=1) == pytest.approx(law.marginal([0, 2]).bin_masses(6), abs=1e-9)
    swapped = law.marginal([2, 0]).bin_masses(6)
    assert masses.sum(axis=1) == pytest.approx(swapped.T, abs=1e-9)
    # The masses by quadrature of the density.
    grid = (np.arange(36) + 0.5) * PERIOD / 36
    points = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1).reshape(-1, 3)
    quadrature = law(points).reshape(6, 6, 6, 6, 6, 6).sum(axis=(1, 3, 5)) * (PERIOD / 36) ** 3
    assert masses == pytest.approx(quadrature, abs=5e-5)  # of the midpoint rule
    n = 40_000
    sample = law.sample(n, seed=1)
    assert sample.shape == (n, 3)
    assert ((sample >= 0.0) & (sample < PERIOD)).all()
    counts, _ = np.histogramdd(sample, bins=6, range=[(0.0, PERIOD)] * 3)
    chi_squared = ((counts - n * masses) ** 2 / (n * masses)).sum()
    # 215 degrees of freedom: six standard deviations, false alarm below 1e-6.
    assert abs(chi_squared - 215) < 6.0 * math.sqrt(2.0 * 215)
    assert (law.sample(100, seed=1) == law.sample(100, seed=1)).all()
    assert (law.sample(100, seed=1) != law.sample(100, seed=2)).any()


def test_sampling_inverts_the_distribution() -> None:
    coefficients = np.array([0.05j, 0.45, 1.0, 0.45, -0.05j])
    law = TorusDensity(coefficients)
    sample = np.sort(law.sample(2001, seed=0)[:, 0])
    k = np.arange(1, 3)
    waves = (np.exp(1j * np.outer(sample, k)) - 1.0) / (1j * k) * coefficients[3:]
    levels = np.sort(np.random.default_rng(0).random((2001, 1))[:, 0])
    assert (sample + 2.0 * waves.sum(axis=1).real) / PERIOD == pytest.approx(levels, abs=1e-12)


def test_cache_keeps_a_solution_and_replaces_a_damaged_one(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOSTEP_CACHE_DIR", str(tmp_path))
    system = KPP(2, "cell2d")
    first = system.reference(0.5, modes=6, steps=32)
    (file,) = (tmp_path / "kpp-reference").iterdir()
    kept = file.read_bytes()
    system.reference(0.5, modes=6, steps=32, cache=False)
    assert file.read_bytes() == kept
    with monkeypatch.context() as patch:
        patch.delattr("twostep_rs._core.flow_velocity")  # nothing can be computed
        again = system.reference(0.5, modes=6, steps=32)
    assert (again.growth, again.relaxation) == (first.growth, first.relaxation)
    assert (again.law.coefficients == first.law.coefficients).all()
    for damaged in (kept[: len(kept) // 2], b"", b"not an archive"):
        file.write_bytes(damaged)
        assert system.reference(0.5, modes=6, steps=32).growth == first.growth
        assert cache.read("another key", 5) is None
        assert file.read_bytes() != damaged
    system.reference(0.5, modes=6, steps=32, dt=None)
    assert len(list(file.parent.iterdir())) == 1
    KPP(2, "cell2d", theta=0.5).reference(0.5, modes=6, steps=32)
    assert len(list(file.parent.iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_left_alone(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kpp-reference").write_text("in the way")
    monkeypatch.setenv("TWOSTEP_CACHE_DIR", str(tmp_path))
    assert KPP(2, ("0", "0")).reference(0.25, modes=3, steps=4).growth == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("flow", "message"),
    [
        (("1/sin(x)", "0"), "flow: expected finite velocities"),
        (("exp(10*sin(x))", "0"), "flow: expected waves of at most 16 per axis"),
    ],
)
def test_flows_without_a_reference(flow: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        KPP(2, flow).reference(0.25, cache=False)


def test_arguments_are_checked() -> None:
    system = KPP(2, "cell2d")
    for keywords, message in (
        ({"kappa": 0.0}, "kappa: expected a finite number above 0"),
        ({"kappa": 0.25, "dt": 0.3}, "dt: expected a whole fraction"),
        ({"kappa": 0.25, "dt": 0.25, "steps": 4}, "steps: expected none beside dt"),
        ({"kappa": 0.25, "modes": 0}, "modes: expected at least 1"),
    ):
        with pytest.raises(InputError, match=message):
            system.reference(**keywords)
    with pytest.raises(InputError, match=r"dt: expected none with integrator 'heun', got 0\.25"):
        KPP(2, "cell2d", integrator="heun").reference(0.25, dt=0.25)
    law = system.reference(0.5, modes=6, steps=32).law
    with pytest.raises(InputError, match="axes: expected distinct axes"):
        law.marginal([0, 0])


def test_missing_scipy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ModuleNotFoundError, match="expected SciPy"):
        KPP(2, "cell2d").reference(0.25, cache=False)
