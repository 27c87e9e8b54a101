"""The Keller-Segel system: particles that attract each other in a background flow."""

from __future__ import annotations

import dataclasses
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack, get_args

from twostep_rs import _core
from twostep_rs._arrays import as_points
from twostep_rs._memory import check_fits
from twostep_rs._scalars import as_choice, as_integer, as_real, as_threads
from twostep_rs.errors import InputError, ShapeError, StepSizeWarning
from twostep_rs.systems.cloud import Cloud
from twostep_rs.systems.protocol import Domain

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Flow = Literal["laminar", "kolmogorov"]
Physics = Literal["paper", "aggregating", "resolved"]
Kernel = Literal["printed", "blob", "plummer", "green4d", "literal"]
Integrator = Literal["euler", "heun", "rk4", "strang"]
Precision = Literal["float64", "float32"]

DEFAULT_PARTICLES = 15_000

_LARGEST_SEED = 2**64 - 1
_LARGEST_STEPS = 2**32 - 1

# Largest h |grad v| of a step with automatic substeps, of one that passes without a warning, and
# between two steps of the attraction where it is split from the flow.
_RESOLVED_STRAIN = 0.1
_COARSE_STRAIN = 0.5
_SPLIT_STRAIN = 1.0


class Overrides(TypedDict, total=False):
    """Constants that :class:`KellerSegel` takes in place of its preset's."""

    chi: float
    total_mass: float
    kernel_constant: float
    mu: float
    delta: float
    kernel: Kernel
    duration: float
    dt: float
    substeps: int | Literal["auto"]
    integrator: Integrator
    precision: Precision


@dataclass(frozen=True)
class Constants:
    r"""Everything that a simulation needs beside dimension, flow and strength.

    Attributes:
        chi: chemotactic sensitivity.
        total_mass: mass :math:`M_0` of the density that the particles stand for.
        kernel_constant: C in the kernel.
        mu: diffusivity.
        delta: regularisation length of the kernel.
        kernel: force law, with :math:`s = r^2` and :math:`b = r^2 + \delta^2`. In three
            dimensions ``printed``: :math:`C (s - \delta^2)/b^2`, repulsive below ``delta``;
            ``blob``: :math:`C/b`; ``plummer``: :math:`C r/b^{3/2}`. In four dimensions
            ``green4d``: :math:`2 C r/b^2`; ``literal``: as ``printed``.
        duration: final time T.
        dt: time step; ``duration`` must be a multiple of it.
        substeps: equal parts that each step is cut into, or ``auto``: as many as it takes for
            :math:`h \max|\nabla v| \le 0.1`.
        integrator: ``euler`` (Euler-Maruyama), ``heun`` (stochastic Heun), ``rk4`` (classical
            Runge-Kutta step of the drift, then the noise) or ``strang``: stochastic Heun for flow
            and noise, split from the attraction, which takes Heun steps of its own: one every
            ``dt``, or as many as it takes for a strain of at most 1 between two.
        precision: arithmetic of the pair sums. With ``float32`` coordinates are rounded to about
            2^-24 of the widest axis of the cloud, and ``delta`` is at least 2^-19 of it.
    """

    chi: float
    total_mass: float
    kernel_constant: float
    mu: float
    delta: float
    kernel: Kernel
    duration: float
    dt: float
    substeps: int | Literal["auto"]
    integrator: Integrator
    precision: Precision

    def __post_init__(self) -> None:
        for name in ("chi", "total_mass", "kernel_constant", "mu"):
            self._set(name, as_real(name, getattr(self, name), low=0.0))
        for name in ("delta", "duration", "dt"):
            self._set(name, as_real(name, getattr(self, name), low=0.0, strict=True))
        as_choice("kernel", self.kernel, get_args(Kernel))
        as_choice("integrator", self.integrator, get_args(Integrator))
        as_choice("precision", self.precision, get_args(Precision))
        if self.substeps != "auto":
            self._set("substeps", as_integer("substeps", self.substeps, low=1))
        if self.dt > self.duration * (1.0 + 1e-9):
            msg = f"dt: expected at most the duration {self.duration:g}, got {self.dt:g}"
            raise InputError(msg)
        if self.duration / self.dt > _LARGEST_STEPS:
            msg = f"dt: expected at most {_LARGEST_STEPS} steps in all, got {self.dt:g}"
            raise InputError(msg)
        if abs(self.duration / self.dt - self.steps) > 1e-6:
            near = self.duration / self.steps
            msg = f"dt: expected a whole fraction of the duration, got {self.dt:g} (near {near:g})"
            raise InputError(msg)

    @property
    def steps(self) -> int:
        """Number of steps of length ``dt``."""
        return round(self.duration / self.dt)

    def _set(self, name: str, value: float) -> None:
        object.__setattr__(self, name, value)


def _preset(physics: Physics, dim: int, kernel: Kernel | None) -> Constants:
    """The constants of a preset.

    ``paper`` and ``resolved`` share their physics: the constants under which the published
    figures can be reached. ``aggregating`` takes an attraction that is seen: a uniform ball
    without diffusion would collapse to a point soon after the final time.
    """
    aggregating = physics == "aggregating"
    if kernel is None:
        kernel = "green4d" if dim == 4 else "plummer" if aggregating else "printed"
    if kernel == "green4d":
        kernel_constant = 1.0 / (4.0 * math.pi**2)
    else:
        kernel_constant = 1.0 / ((4.0 if aggregating else 8.0) * math.pi)
    paper = Constants(
        chi=1.0,
        total_mass=1.0,
        kernel_constant=kernel_constant,
        mu=0.01,
        delta=1e-3,
        kernel=kernel,
        duration=0.02,
        dt=5e-3,
        substeps=1,
        integrator="euler",
        precision="float64",
    )
    if physics == "resolved":
        return dataclasses.replace(paper, substeps="auto", integrator="strang")
    if aggregating:
        return dataclasses.replace(
            paper,
            chi=80.0,
            delta=0.02,
            duration=0.04 if dim == 3 else 0.045,
            dt=1e-3,
            integrator="heun",
        )
    return paper


@dataclass(frozen=True, init=False)
class KellerSegel:
    r"""Interacting particles of the parabolic-elliptic Keller-Segel system in a flow.

    .. math::
        dX_j = -\frac{\chi M_0}{N} \sum_i \nabla K_\delta(X_j - X_i) \, dt
               + v(X_j) \, dt + \sqrt{2 \mu} \, dW_j

    with the attractive kernel :math:`K_\delta` of :class:`Constants`, from independent uniform
    particles in the unit ball. Flows of strength :math:`\sigma`:

    - ``laminar``: :math:`v = \sigma e^{-|x_\perp|^2} e_1`, with :math:`x_\perp` all coordinates
      but the first;
    - ``kolmogorov``: :math:`v = \sigma (\sin 2\pi z, \sin 2\pi x, \sin 2\pi y)`, in three
      dimensions.

    Presets of the constants, each of which can be overridden by a keyword argument:

    - ``paper``: :math:`\chi = M_0 = 1`, :math:`C = 1/8\pi`, :math:`\mu = 0.01`,
      :math:`\delta = 10^{-3}`, kernel ``printed``, T = 0.02 in four Euler-Maruyama steps;
    - ``aggregating``: :math:`\chi = 80`, :math:`C = 1/4\pi`, kernel ``plummer`` with
      :math:`\delta = 0.02`, T = 0.04 in Heun steps: the cloud contracts visibly;
    - ``resolved``: as ``paper``, with so many Heun steps that the flow is followed rather than
      sampled, and the attraction split from it.

    In four dimensions the kernel is ``green4d`` with :math:`C = 1/4\pi^2`, and ``aggregating``
    runs to T = 0.045.

    Every random number is a function of seed, purpose, particle and step. The source depends on
    the seed alone and is therefore shared by all sigma; the Brownian path depends on seed and
    sigma. The number of threads changes nothing, to the last bit.

    Args:
        dim: 3 or 4.
        flow: the background flow.
        physics: the preset.
        **overrides: constants that replace those of the preset, by their names in
            :class:`Constants`.

    Raises:
        InputError: a dimension, flow, kernel or preset that does not exist, an unknown constant,
            or a value out of range.

    Example:
        >>> ks = KellerSegel(dim=3, flow="laminar", physics="paper")
        >>> cloud = ks.simulate(100.0, n=1000, seed=0)
        >>> cloud.target.shape
        (1000, 3)
        >>> bool(cloud.target[:, 0].mean() > 1.0)  # carried along the first axis
        True
    """

    dim: int
    flow: Flow
    physics: Physics
    constants: Constants

    def __init__(
        self,
        dim: int = 3,
        flow: Flow = "laminar",
        physics: Physics = "paper",
        **overrides: Unpack[Overrides],
    ) -> None:
        as_choice("dim", as_integer("dim", dim, low=1), (3, 4))
        as_choice("flow", flow, get_args(Flow))
        as_choice("physics", physics, get_args(Physics))
        known = [field.name for field in dataclasses.fields(Constants)]
        for name in overrides:
            if name not in known:
                raise InputError(_unknown_constant(name, known))
        preset = _preset(physics, dim, overrides.get("kernel"))
        object.__setattr__(self, "dim", int(dim))
        object.__setattr__(self, "flow", flow)
        object.__setattr__(self, "physics", physics)
        object.__setattr__(self, "constants", dataclasses.replace(preset, **overrides))
        self._system(0.0)  # refuses what only the core can judge, such as a kernel's dimension

    @property
    def domain(self) -> Domain:
        """Free space."""
        return Domain()

    @property
    def attraction(self) -> float:
        r"""The rate :math:`S = \chi M_0 C (d - 2)`.

        With the Newtonian kernel the mean drift in a uniform unit ball is :math:`-S x`, and
        without diffusion the ball collapses at time :math:`1 / (d S)`.
        """
        c = self.constants
        return c.chi * c.total_mass * c.kernel_constant * (self.dim - 2)

    def substeps(self, sigma: float) -> int:
        """Parts that each step ``dt`` is cut into at flow strength ``sigma``."""
        c = self.constants
        if c.substeps != "auto":
            return c.substeps
        strain = c.dt * self._strain_rate(sigma)
        # The lower end forgives rounding, the upper keeps an absurd sigma from overflowing.
        return max(1, math.ceil(min(strain / _RESOLVED_STRAIN - 1e-9, _LARGEST_STEPS + 1)))

    def prior(self, n: int = DEFAULT_PARTICLES, seed: int = 0) -> NDArray[np.float64]:
        """Draw ``n`` independent uniform particles in the unit ball.

        Args:
            n: number of particles, at least 1.
            seed: from 0 to 2^64 - 1.

        Returns:
            Array of shape (n, dim), float64.
        """
        count, seed = as_integer("n", n, low=1), as_integer("seed", seed, low=0, high=_LARGEST_SEED)
        check_fits("n", f"{count} particles", 8 * self.dim * count)
        return _core.uniform_ball(self.dim, count, seed)

    def simulate(
        self,
        sigma: float,
        n: int | None = None,
        seed: int = 0,
        source: ArrayLike | None = None,
        *,
        threads: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Cloud:
        """Move particles to the final time.

        A step costs n^2 / 2 evaluations of the force law per stage of the integrator.

        Args:
            sigma: flow strength, at least 0.
            n: number of particles; 15 000 where no source is given, else its rows.
            seed: of the prior and the Brownian path, from 0 to 2^64 - 1.
            source: initial particles, shape (n, dim); drawn from the prior where it is None.
            threads: number of threads; the package's default where it is None.
            progress: called as ``progress(done, total)`` about 20 times a second.

        Returns:
            The paired cloud.

        Raises:
            InputError: a value out of range, or NaN or infinite particles.
            ShapeError: ``source`` has not the shape (n, dim).
            DtypeError: an argument of a type that cannot be used.
            KeyboardInterrupt: on Ctrl-C.

        Warns:
            StepSizeWarning: the steps are so coarse that the Kolmogorov flow folds, or nearly so.
        """
        sigma = as_real("sigma", sigma, low=0.0)
        seed = as_integer("seed", seed, low=0, high=_LARGEST_SEED)
        system = self._system(sigma)
        self._warn_if_coarse(sigma)
        if source is None:
            points = self.prior(DEFAULT_PARTICLES if n is None else n, seed)
        else:
            points = as_points("source", source)
            if n is not None and as_integer("n", n, low=1) != len(points):
                expected = f"shape ({n}, {self.dim})"
                raise ShapeError(f"source: expected {expected}, got {points.shape}")
        target = system.simulate(
            points, sigma, seed, threads=as_threads(threads), progress=progress
        )
        return Cloud(source=points, target=target, paired=True)

    def drift(
        self,
        x: ArrayLike,
        sigma: float,
        *,
        chemotaxis: bool = True,
        flow: bool = True,
        threads: int | None = None,
    ) -> NDArray[np.float64]:
        """Evaluate the velocity of every particle, noise apart.

        Args:
            x: particles, shape (n, dim).
            sigma: flow strength, at least 0.
            chemotaxis: whether the attraction counts.
            flow: whether the background flow counts.
            threads: number of threads; the package's default where it is None.

        Returns:
            Array of shape (n, dim), float64.

        Raises:
            InputError: a value out of range, or NaN or infinite particles.
            ShapeError: ``x`` has not the shape (n, dim).
            DtypeError: an argument of a type that cannot be used.
        """
        sigma = as_real("sigma", sigma, low=0.0)
        return self._system(sigma).drift(
            as_points("x", x),
            sigma,
            chemotaxis=bool(chemotaxis),
            flow=bool(flow),
            threads=as_threads(threads),
        )

    def _system(self, sigma: float) -> _core.KellerSegel:
        c = self.constants
        steps = c.steps * self.substeps(sigma)
        if steps > _LARGEST_STEPS:
            msg = f"dt, substeps: expected at most {_LARGEST_STEPS} steps in all, got {steps}"
            raise InputError(msg)
        return _core.KellerSegel(
            dim=self.dim,
            flow=self.flow,
            kernel=c.kernel,
            delta=c.delta,
            precision=c.precision,
            attraction=c.chi * c.total_mass * c.kernel_constant,
            diffusion=c.mu,
            duration=c.duration,
            steps=steps,
            integrator=c.integrator,
            kick_every=self._kick_every(sigma),
        )

    def _kick_every(self, sigma: float) -> int:
        """Substeps between two steps of the attraction, for ``strang``."""
        substeps = self.substeps(sigma)
        strain = self.constants.dt * self._strain_rate(sigma)
        kicks = max(1, math.ceil(min(strain / _SPLIT_STRAIN - 1e-9, _LARGEST_STEPS)))
        return max(1, substeps // kicks)

    def _strain_rate(self, sigma: float) -> float:
        """The largest norm of the velocity gradient."""
        if self.flow == "kolmogorov":
            return 2.0 * math.pi * sigma
        return math.sqrt(2.0 / math.e) * sigma

    def _warn_if_coarse(self, sigma: float) -> None:
        if self.flow != "kolmogorov":
            return
        step = self.constants.dt / self.substeps(sigma)
        if step * self._strain_rate(sigma) > _COARSE_STRAIN:
            fold = 1.0 / (2.0 * math.pi * step)
            warnings.warn(
                f"steps of {step:g} are coarse for the Kolmogorov flow above sigma = "
                f"{_COARSE_STRAIN * fold:.3g}, and fold it into caustics above {fold:.3g}: the "
                "cloud shows the time step as much as the flow; more substeps or "
                "physics='resolved' avoid it",
                StepSizeWarning,
                stacklevel=3,
            )


def _unknown_constant(name: str, known: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{name}: expected one of the constants {known}, got {name!r}{hint}"
