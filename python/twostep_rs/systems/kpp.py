"""Fronts of the KPP equation in a periodic flow, by Feynman-Kac particles."""

from __future__ import annotations

import dataclasses
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from twostep_rs import _core
from twostep_rs._arrays import as_float64, as_points
from twostep_rs._memory import check_fits
from twostep_rs._scalars import as_choice, as_integer, as_real, as_threads
from twostep_rs.errors import InputError, ShapeError, WrappedWarning
from twostep_rs.resampling import Scheme
from twostep_rs.systems.cloud import Cloud
from twostep_rs.systems.flows import FLOWS
from twostep_rs.systems.generations import Generations
from twostep_rs.systems.protocol import Domain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from twostep_rs.systems.kpp_reference import FrontSpeed, Problem, Reference

Prior = Literal["uniform", "gaussian"]
Integrator = Literal["euler", "heun"]

# Weak orders.
_ORDERS: Mapping[Integrator, int] = {"euler": 1, "heun": 2}

DEFAULT_PARTICLES = 20_000
PERIOD = 2.0 * math.pi

_LARGEST_SEED = 2**64 - 1
_LARGEST_STEPS = 2**32 - 1
_GAUSSIAN_DEVIATION = math.pi


@dataclass(frozen=True, init=False)
class KPP:
    r"""Feynman-Kac particles of the KPP front speed on the torus :math:`[0, 2\pi)^d`.

    The equation :math:`u_t + v \cdot \nabla u = \kappa \Delta u + r u (1 - u)` has fronts that
    travel along the first axis. Those that decay as :math:`e^{-\lambda x}` have the speed
    :math:`c(\lambda) = \mu(\lambda) / \lambda` with
    :math:`\mu = \mu_0(\lambda) + r`, where :math:`\mu_0` is the growth rate of the total weight of
    particles that move and are weighted by

    .. math::
        dX = (2 \kappa \lambda e_1 + v(X, t))\,dt + \sqrt{2 \kappa}\,dW, \qquad
        w = \exp \int (\kappa \lambda^2 + \lambda v_1(X, t))\,dt .

    Steps are those of Euler and Maruyama, with the weight of the place where a step begins, or of
    Heun; then the particles are resampled. At whole times their law tends
    to the forward eigenfunction. The minimal speed is the minimum of :math:`c` over
    :math:`\lambda`, if the flow is free of divergence.

    Every random number is a function of seed, purpose, particle and step. The number of threads
    changes nothing, to the last bit.

    Args:
        dim: 2 or 3.
        flow: name of a flow in :data:`twostep_rs.systems.flows.FLOWS`, or one expression per
            component in the notation described there, of period :math:`2\pi` in each coordinate
            and 1 in time.
        lam: decay rate :math:`\lambda` of the front, above 0.
        theta: strength of the time-dependent part of the cellular flows.
        r: rate of the reaction, at least 0.
        dt: time step; 1 must be a multiple of it.
        integrator: ``euler`` (Euler-Maruyama, of weak order one), or ``heun``, of weak order two
            at twice the cost of a step: the velocity, also in the weight, is the mean of that where
            the step begins and of that where the Euler-Maruyama step ends. The error of the law
            is that of a step times the relaxation time.
        generations: periods of :meth:`simulate`.
        population: most particles of a run of :meth:`simulate`, which pools generations where it
            is asked for more; all run at once where it is None.
        spacing: periods between the generations that are pooled.
        resampling: scheme of :meth:`simulate`, one of those of :func:`twostep_rs.resample`.
        prior: ``uniform``, or ``gaussian``: the normal law of standard deviation :math:`\pi`
            around the centre, wrapped around the torus.

    Raises:
        InputError: a flow, integrator, scheme or prior that does not exist, an expression that does
            not parse (with the position) or is not periodic, or a value out of range.

    Example:
        >>> kpp = KPP(dim=2, flow="cell2d", lam=2.0, theta=1.0, r=1.0)
        >>> fk = kpp.run(kappa=0.25, particles=1000, generations=8, seed=0)
        >>> fk.cloud.shape, fk.growth.shape
        ((1000, 2), (8,))
        >>> shear = KPP(dim=2, flow=("theta*sin(y)", "0"), theta=3.0)
        >>> shear.velocity([[0.0, 1.0]], t=0.0).round(4).tolist()
        [[2.5244, 0.0]]
    """

    dim: int
    flow: str | tuple[str, ...]
    lam: float
    theta: float
    r: float
    dt: float
    integrator: Integrator
    generations: int
    population: int | None
    spacing: int
    resampling: Scheme
    prior_law: Prior

    def __init__(
        self,
        dim: int = 2,
        flow: str | Sequence[str] = "cell2d",
        lam: float = 2.0,
        theta: float = 1.0,
        r: float = 1.0,
        *,
        dt: float = 2.0**-8,
        integrator: Integrator = "euler",
        generations: int = 128,
        population: int | None = None,
        spacing: int = 8,
        resampling: Scheme = "systematic",
        prior: Prior = "uniform",
    ) -> None:
        fields = {
            "dim": as_choice("dim", as_integer("dim", dim, low=1), (2, 3)),
            "flow": _flow(flow, dim),
            "lam": as_real("lam", lam, low=0.0, strict=True),
            "theta": as_real("theta", theta),
            "r": as_real("r", r, low=0.0),
            "dt": as_real("dt", dt, low=0.0, strict=True),
            "integrator": as_choice("integrator", integrator, get_args(Integrator)),
            "generations": as_integer("generations", generations, low=1, high=_LARGEST_STEPS),
            "population": (
                None if population is None else as_integer("population", population, low=2)
            ),
            "spacing": as_integer("spacing", spacing, low=1, high=_LARGEST_STEPS),
            "resampling": as_choice("resampling", resampling, get_args(Scheme)),
            "prior_law": as_choice("prior", prior, get_args(Prior)),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        steps_per_period(self.dt)
        self._check_periods()

    @property
    def domain(self) -> Domain:
        r"""The torus of period :math:`2\pi`."""
        return Domain((PERIOD,) * self.dim)

    @property
    def expressions(self) -> tuple[str, ...]:
        """The flow, one expression per component."""
        return FLOWS[self.flow] if isinstance(self.flow, str) else self.flow

    def parameters(self, kappa: float) -> dict[str, float]:
        """Values of the names that stand in the expressions at diffusivity ``kappa``."""
        return {"theta": self.theta, "kappa": kappa, "lam": self.lam, "r": self.r}

    def velocity(self, x: ArrayLike, t: float, kappa: float = 1.0) -> NDArray[np.float64]:
        """Evaluate the flow.

        Args:
            x: points, shape (n, dim).
            t: time.
            kappa: value of the name ``kappa`` in the expressions.

        Returns:
            Array of shape (n, dim), float64.
        """
        return _core.flow_velocity(
            self.expressions,
            list(self.parameters(as_real("kappa", kappa)).items()),
            as_points("x", x),
            as_real("t", t),
        )

    def prior(self, n: int = DEFAULT_PARTICLES, seed: int = 0) -> NDArray[np.float64]:
        """Draw ``n`` independent particles of the prior.

        Args:
            n: number of particles, at least 1.
            seed: from 0 to 2^64 - 1.

        Returns:
            Array of shape (n, dim), float64, in [0, 2 pi).
        """
        count, seed = as_integer("n", n, low=1), as_integer("seed", seed, low=0, high=_LARGEST_SEED)
        check_fits("n", f"{count} particles", 8 * self.dim * count)
        deviation = _GAUSSIAN_DEVIATION if self.prior_law == "gaussian" else None
        return _core.torus_points(self.dim, count, deviation, seed)

    def simulate(
        self,
        kappa: float,
        n: int | None = None,
        seed: int = 0,
        source: ArrayLike | None = None,
        *,
        threads: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Cloud:
        """Run ``generations`` periods and return the particles before and after.

        More than ``population`` particles are those of several generations of one run,
        ``spacing`` periods apart from ``generations`` on: the law is the same, and its
        fluctuations average out once they have had the time to relax. The first of the source
        particles begin the run; the others are there beside the targets, which none of them are
        paired with.

        Args:
            kappa: diffusivity, above 0.
            n: number of particles, a multiple of ``population`` where it is larger; 20 000 where
                no source is given, else its rows.
            seed: of the prior and the run, from 0 to 2^64 - 1.
            source: initial particles, shape (n, dim); drawn from the prior where it is None.
            threads: number of threads; the package's default where it is None.
            progress: called as ``progress(done, total)`` about 20 times a second, anew for every
                generation that is pooled.

        Returns:
            The cloud, which is not paired: particles have died and multiplied.
        """
        points = self._initial("source", source, "n", n, seed)
        system, threads = self._system(kappa, self.dt, self.resampling), as_threads(threads)
        size = len(points) if self.population is None else min(self.population, len(points))
        if len(points) % size:
            raise InputError(f"n: expected a multiple of population = {size}, got {len(points)}")
        cloud, pooled = points[:size], []
        for number in range(len(points) // size):
            periods = self.spacing if number else self.generations
            found = system.run(
                cloud, periods, _continued(seed, number), threads=threads, progress=progress
            )
            cloud = found["cloud"]
            pooled.append(cloud)
        return Cloud(source=points, target=np.concatenate(pooled), paired=False)

    def run(
        self,
        kappa: float,
        particles: int | None = None,
        generations: int = 128,
        seed: int = 0,
        initial: ArrayLike | None = None,
        resampling: Scheme = "systematic",
        *,
        every: int = 1,
        ess: float | None = None,
        burn_in: int = 0,
        richardson: bool = False,
        dt: float | None = None,
        threads: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Generations:
        r"""Run the particles and estimate the growth rate.

        Args:
            kappa: diffusivity, above 0.
            particles: number M of particles, at least 2; 20 000 where no initial ones are given.
            generations: periods, at least 1.
            seed: of the prior and the run, from 0 to 2^64 - 1.
            initial: initial particles, shape (M, dim); drawn from the prior where it is None.
            resampling: scheme, one of those of :func:`twostep_rs.resample`. In every step,
                ``multinomial``, ``residual`` and ``stratified`` add far more noise than the others.
            every: resample after every so many steps.
            ess: resample when the effective sample size falls below this part of M, instead.
            burn_in: leading periods that the estimates of the result leave out, below
                ``generations``.
            richardson: run with twice the time step as well, from the same initial particles, and
                extrapolate the growth: :math:`2 \mu_0(\Delta t) - \mu_0(2 \Delta t)`, and with
                ``heun`` :math:`(4 \mu_0(\Delta t) - \mu_0(2 \Delta t)) / 3`. The standard
                error grows by a factor of about 2.2 and 1.4, the cost by 1.5.
            dt: time step in place of the system's.
            threads: number of threads; the package's default where it is None.
            progress: called as ``progress(done, total)`` about 20 times a second.

        Returns:
            Growth, estimates and the cloud.

        Raises:
            InputError: a value out of range, a flow that is NaN or infinite somewhere (with the
                place), a time step that does not divide the period, or more particles than memory
                holds.
            ShapeError: ``initial`` has not the shape (M, dim).
            DtypeError: an argument of a type that cannot be used.
            KeyboardInterrupt: on Ctrl-C.

        Warns:
            WrappedWarning: initial particles lie outside of [0, 2 pi) and are wrapped around.
        """
        generations = as_integer("generations", generations, low=1, high=_LARGEST_STEPS)
        burn_in = as_integer("burn_in", burn_in, low=0, high=generations - 1)
        kappa = as_real("kappa", kappa, low=0.0, strict=True)
        dt = self.dt if dt is None else as_real("dt", dt, low=0.0, strict=True)
        points = self._initial("initial", initial, "particles", particles, seed)
        steps = [dt, 2.0 * dt] if richardson else [dt]
        if richardson and steps_per_period(dt) % 2:
            raise InputError(f"dt: expected an even number of steps per period, got {dt:g}")

        as_choice("resampling", resampling, get_args(Scheme))
        every = as_integer("every", every, low=1, high=_LARGEST_STEPS)
        ess = None if ess is None else as_real("ess", ess, low=0.0, strict=True)
        runs = [
            self._system(kappa, step, resampling, every, ess).run(
                points, generations, seed, threads=as_threads(threads), progress=progress
            )
            for step in steps
        ]
        fine = runs[0]
        growth = fine["growth"]
        if richardson:
            growth = growth + (growth - runs[1]["growth"]) / (2 ** _ORDERS[self.integrator] - 1)
        # A constant in the exponent changes no resampling; the core leaves it out.
        growth += kappa * self.lam**2
        return Generations(
            kappa=kappa,
            lam=self.lam,
            r=self.r,
            dt=dt,
            richardson=bool(richardson),
            burn_in=burn_in,
            cloud=fine["cloud"],
            growth=growth,
            ess=fine["ess"],
            ancestors=fine["ancestors"],
        )

    def reference(
        self,
        kappa: float,
        *,
        dt: float | None = None,
        modes: int | None = None,
        steps: int | None = None,
        cache: bool = True,
    ) -> Reference:
        r"""Solve the eigenvalue problem without particles.

        A Fourier-Galerkin method, for flows that are trigonometric polynomials of moderate degree.
        By default the growth is exact to about 1e-9 in two dimensions, in seconds, and to 1e-7
        in three, in a minute at most, for :math:`\kappa \ge 2^{-5}`; halve or double ``modes`` and
        ``steps`` to see it.

        Args:
            kappa: diffusivity, above 0.
            dt: solve the Euler-Maruyama scheme with this step in place of continuous time: what
                infinitely many particles that are resampled in every step would give. Not with
                the integrator ``heun``.
            modes: largest length of a wave vector.
            steps: Runge-Kutta steps per period; not with ``dt``, which has its own.
            cache: whether to keep the solution on disk, in the user's cache directory or in that
                which ``TWOSTEP_CACHE_DIR`` names.

        Returns:
            The growth rate, the relaxation time, and the limit law.

        Raises:
            ModuleNotFoundError: SciPy is not installed.
            InputError: a value out of range, or a flow that is not finite or no trigonometric
                polynomial of moderate degree.
            ConvergenceError: the eigenvalue iteration does not settle.

        Example:
            >>> still = KPP(dim=2, flow=("0", "0"), lam=2.0).reference(kappa=0.25, cache=False)
            >>> round(still.growth, 9), round(still.relaxation, 6)  # kappa lam^2 and 1 / kappa
            (1.0, 4.0)
        """
        from twostep_rs.systems import kpp_reference as deterministic

        kappa = as_real("kappa", kappa, low=0.0, strict=True)
        if dt is not None:
            dt = as_real("dt", dt, low=0.0, strict=True)
            steps_per_period(dt)
            if self.integrator != "euler":
                raise InputError(
                    f"dt: expected none with integrator {self.integrator!r}, got {dt:g}; the "
                    "scheme that is solved is 'euler'"
                )
            if steps is not None:
                raise InputError(f"steps: expected none beside dt, got {steps}")
        problem = self._problem(kappa, self.lam)
        resolution = deterministic.suitable(problem, dt)
        if modes is not None:
            modes = as_integer("modes", modes, low=1)
            resolution = dataclasses.replace(resolution, modes=modes)
        if steps is not None:
            resolution = dataclasses.replace(resolution, steps=as_integer("steps", steps, low=1))
        name = self._name(kappa) if cache else None
        solution = deterministic.solve(problem, resolution, name=name)
        return deterministic.Reference(
            kappa=kappa,
            lam=self.lam,
            r=self.r,
            dt=dt,
            growth=solution.growth,
            relaxation=solution.relaxation,
            law=deterministic.law(solution, self.dim, resolution),
            modes=resolution.modes,
            steps=resolution.steps,
        )

    def speed_curve(
        self, kappa: float, lams: ArrayLike, *, cache: bool = True
    ) -> NDArray[np.float64]:
        r"""The speeds :math:`c(\lambda) = (\mu_0(\lambda) + r) / \lambda`, without particles.

        Args:
            kappa: diffusivity, above 0.
            lams: decay rates, above 0, shape (n,), in place of the system's.
            cache: as for :meth:`reference`, whose errors this raises too.

        Returns:
            Array of shape (n,), float64.
        """
        from twostep_rs.systems import kpp_reference as deterministic

        kappa = as_real("kappa", kappa, low=0.0, strict=True)
        name = self._name(kappa) if cache else None
        speeds = []
        for lam in as_float64("lams", lams, 1).tolist():
            problem = self._problem(kappa, as_real("lams", lam, low=0.0, strict=True))
            resolution = deterministic.suitable(problem)
            solution = deterministic.solve(problem, resolution, name=name, relaxation=False)
            speeds.append((solution.growth + self.r) / lam)
        return np.array(speeds)

    def front_speed(
        self, kappa: float, *, low: float = 0.1, high: float = 10.0, cache: bool = True
    ) -> FrontSpeed:
        r"""The minimal speed :math:`c^* = \min_\lambda c(\lambda)`, without particles.

        It is the speed of the fronts of the KPP equation where the flow is free of divergence.

        Args:
            kappa: diffusivity, above 0.
            low: smallest decay rate that is searched, above 0.
            high: largest one.
            cache: as for :meth:`reference`, whose errors this raises too.

        Raises:
            InputError: the minimum is not between ``low`` and ``high``.

        Example:
            >>> still = KPP(dim=2, flow=("0", "0"), r=1.0)
            >>> found = still.front_speed(0.25, low=1.0, high=4.0, cache=False)
            >>> round(found.speed, 9)  # 2 sqrt(kappa r)
            1.0
        """
        from twostep_rs.systems import kpp_reference as deterministic

        kappa = as_real("kappa", kappa, low=0.0, strict=True)
        low = as_real("low", low, low=0.0, strict=True)
        return deterministic.minimise(
            lambda lam: self._problem(kappa, lam),
            self.r,
            name=self._name(kappa) if cache else None,
            low=low,
            high=as_real("high", high, low=low, strict=True),
        )

    def _problem(self, kappa: float, lam: float) -> Problem:
        from twostep_rs.systems.kpp_reference import Problem

        values = list((self.parameters(kappa) | {"lam": lam}).items())
        expressions = self.expressions
        return Problem(
            self.dim, lambda x, t: _core.flow_velocity(expressions, values, x, t), kappa, lam
        )

    def _name(self, kappa: float) -> str:
        """Identifies the flow in the cache; the decay rate stands beside it there."""
        values = self.parameters(kappa)
        del values["lam"]
        return repr((self.expressions, values))

    def _system(
        self, kappa: float, dt: float, resampling: Scheme, every: int = 1, ess: float | None = None
    ) -> _core.FeynmanKac:
        kappa = as_real("kappa", kappa, low=0.0, strict=True)
        return _core.FeynmanKac(
            flow=self.expressions,
            parameters=list(self.parameters(kappa).items()),
            lam=self.lam,
            kappa=kappa,
            steps=steps_per_period(dt),
            integrator=self.integrator,
            resampling=resampling,
            every=every,
            ess=ess,
        )

    def _initial(
        self, name: str, given: ArrayLike | None, count_name: str, count: int | None, seed: int
    ) -> NDArray[np.float64]:
        """Initial particles on the torus: those given, or the prior's."""
        as_integer("seed", seed, low=0, high=_LARGEST_SEED)
        if count is not None:
            count = as_integer(count_name, count, low=2)
        if given is None:
            count = DEFAULT_PARTICLES if count is None else count
            check_fits(count_name, f"{count} particles", count * self._bytes_per_particle)
            return self.prior(count, seed)
        points = as_points(name, given)
        n, dim = points.shape
        if dim != self.dim or (count is not None and n != count):
            expected = f"shape ({'n' if count is None else count}, {self.dim})"
            raise ShapeError(f"{name}: expected {expected}, got {points.shape}")
        if n < 2:
            raise InputError(f"{name}: expected at least 2 particles, got {n}")
        if not np.isfinite(points).all():
            raise InputError(f"{name}: expected finite values, got NaN or infinity")
        check_fits(name, f"{n} particles", n * self._bytes_per_particle)
        return _wrapped(name, points)

    @property
    def _bytes_per_particle(self) -> int:
        """Memory of a run, measured at 10^7 particles."""
        return 60 + 40 * self.dim

    def _check_periods(self) -> None:
        """Refuse expressions that are not of period 2 pi in space and 1 in time."""
        rng = np.random.default_rng(0)
        x = rng.uniform(0.0, PERIOD, (64, self.dim))
        t = 0.3
        here = self.velocity(x, t)
        shifts = [
            (name, x + PERIOD * unit, t)
            for name, unit in zip("xyz", np.eye(self.dim), strict=False)
        ]
        for name, points, time in [*shifts, ("t", x, t + 1.0)]:
            there = self.velocity(points, time)
            both = np.isfinite(here) & np.isfinite(there)
            if (np.abs(there - here)[both] > 1e-9 * (1.0 + np.abs(here[both]))).any():
                period = "1" if name == "t" else "2 pi"
                raise InputError(
                    f"flow: expected period {period} in {name}, got {self.expressions}"
                )


def _continued(seed: int, number: int) -> int:
    """Seed of part ``number`` of a run, which counts its steps anew."""
    if number == 0:
        return seed
    # Below those of clouds, see twostep_rs._seeds.
    return int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0] >> 1)


def steps_per_period(dt: float) -> int:
    """Number of steps of length ``dt`` in the period 1.

    Raises:
        InputError: it is not a whole number.
    """
    steps = round(1.0 / dt) if dt > 1.0 / _LARGEST_STEPS else 0
    if steps < 1 or abs(steps * dt - 1.0) > 1e-9:
        near = f" (near {1.0 / steps:g})" if steps else ""
        raise InputError(f"dt: expected a whole fraction of the period 1, got {dt:g}{near}")
    return steps


def _flow(flow: str | Sequence[str], dim: int) -> str | tuple[str, ...]:
    if isinstance(flow, str):
        names = [name for name, parts in FLOWS.items() if len(parts) == dim]
        if flow not in names:
            raise InputError(f"flow: expected one of {names} or {dim} expressions, got {flow!r}")
        return flow
    parts = tuple(flow)
    if len(parts) != dim or not all(isinstance(part, str) for part in parts):
        raise InputError(f"flow: expected {dim} expressions, got {parts!r}")
    return parts


def _wrapped(name: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    outside = ((points < 0.0) | (points >= PERIOD)).any(axis=1)
    if not outside.any():
        return points
    warnings.warn(
        f"{name}: {int(outside.sum())} of {len(points)} particles lie outside of [0, 2 pi) and are "
        "wrapped around the torus",
        WrappedWarning,
        stacklevel=4,
    )
    wrapped = np.mod(points, PERIOD)
    # The remainder of a tiny negative number may be rounded up to the period itself.
    wrapped[wrapped >= PERIOD] = 0.0
    return wrapped
