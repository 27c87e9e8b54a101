"""Solving a problem, with modes and steps that suit it, or reading the solution from the cache."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twostep_rs.systems.kpp_reference import cache
from twostep_rs.systems.kpp_reference.density import TorusDensity
from twostep_rs.systems.kpp_reference.eigen import Leading, leading
from twostep_rs.systems.kpp_reference.euler import EulerMap
from twostep_rs.systems.kpp_reference.modes import HalfSpace
from twostep_rs.systems.kpp_reference.period_map import PeriodMap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twostep_rs.systems.kpp_reference.problem import Problem


@dataclass(frozen=True)
class Resolution:
    """How finely a problem is solved.

    Attributes:
        modes: largest length of a wave vector.
        steps: steps in a period: of the Runge-Kutta method, or those of Euler and Maruyama.
        euler: whether they are those of Euler and Maruyama.
    """

    modes: int
    steps: int
    euler: bool = False


def suitable(problem: Problem, dt: float | None = None) -> Resolution:
    r"""Modes and steps with which errors of the growth are about 1e-9 (2D) and 1e-8 (3D).

    Layers of the density are about :math:`\sqrt{\kappa / (1 + \lambda)}` thick.
    """
    sharpness = math.sqrt((1.0 + problem.lam) / (3.0 * problem.kappa))
    plane = problem.dim == 2
    modes = max(18, math.ceil(5.0 * sharpness)) if plane else max(12, math.ceil(3.2 * sharpness))
    if dt is not None:
        return Resolution(modes, round(1.0 / dt), euler=True)
    return Resolution(modes, 16 * modes if plane else 6 * modes)


def solve(
    problem: Problem,
    resolution: Resolution,
    *,
    name: str | None = None,
    relaxation: bool = True,
    start: NDArray[np.complex128] | None = None,
) -> Leading:
    """The leading multiplier of a period, its eigenfunction, and the relaxation time.

    Args:
        problem: what to solve.
        resolution: modes and steps.
        name: identifies the velocity in the cache; None leaves the cache alone.
        relaxation: whether the relaxation time is wanted.
        start: where the iteration starts, coefficients of the same modes.

    Raises:
        ModuleNotFoundError: SciPy is not installed.
        InputError: the flow is not finite, or no trigonometric polynomial of low degree.
        ConvergenceError: the iteration does not settle.
    """
    require_scipy()
    modes = HalfSpace.within(problem.dim, resolution.modes)
    key = (
        f"{name}; kappa={problem.kappa!r}, lam={problem.lam!r}, {problem.direction}; "
        f"{resolution}; relaxation={relaxation}"
    )
    found = None if name is None else cache.read(key, len(modes))
    if found is not None:
        return found
    if start is None:
        start = np.zeros(len(modes), dtype=np.complex128)
        start[0] = 1.0
    kind = EulerMap if resolution.euler else PeriodMap
    period = kind(problem, modes, resolution.steps)
    solution = leading(period, start, relaxation=relaxation)
    if name is not None:
        cache.write(key, solution)
    return solution


def law(solution: Leading, dim: int, resolution: Resolution) -> TorusDensity:
    """The eigenfunction as a density."""
    return TorusDensity(HalfSpace.within(dim, resolution.modes).to_grid(solution.vector))


def require_scipy() -> None:
    """Say what is missing, and how to get it.

    Raises:
        ModuleNotFoundError: SciPy is not installed.
    """
    if importlib.util.find_spec("scipy") is None:
        raise ModuleNotFoundError(
            "reference: expected SciPy, found none; pip install 'twostep_rs[reference]'",
            name="scipy",
        )
