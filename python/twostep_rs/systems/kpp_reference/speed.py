"""The front speed as the minimum over the decay rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.errors import InputError
from twostep_rs.systems.kpp_reference.modes import HalfSpace
from twostep_rs.systems.kpp_reference.solve import require_scipy, solve, suitable

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from twostep_rs.systems.kpp_reference.problem import Problem

# Of the logarithm of lambda. The minimum is flat: the speed is far more exact.
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class FrontSpeed:
    r"""The minimal speed :math:`c^* = \min_\lambda \mu(\lambda) / \lambda`.

    Attributes:
        speed: the minimum.
        lam: where it is.
        evaluations: eigenvalue problems that were solved.
    """

    speed: float
    lam: float
    evaluations: int


def minimise(
    problem: Callable[[float], Problem], r: float, *, name: str | None, low: float, high: float
) -> FrontSpeed:
    """Find the minimal speed of fronts, whose decay rate is between ``low`` and ``high``.

    The growth rate is convex in lambda, so that there is no second minimum. Without a reaction
    (r = 0) there is none at all: the infimum is at zero.

    Args:
        problem: the problem at a decay rate.
        r: rate of the reaction.
        name: identifies the velocity in the cache; None leaves the cache alone.
        low: least decay rate.
        high: largest decay rate.

    Raises:
        InputError: the minimum is not between the ends.
    """
    require_scipy()
    from scipy.optimize import minimize_scalar

    last: tuple[HalfSpace, NDArray[np.complex128]] | None = None

    def speed(log_lam: float) -> float:
        nonlocal last
        lam = math.exp(log_lam)
        resolution = suitable(problem(lam))
        modes = HalfSpace.within(problem(lam).dim, resolution.modes)
        start = None if last is None else last[0].embed(last[1], modes)
        solution = solve(problem(lam), resolution, name=name, relaxation=False, start=start)
        last = modes, solution.vector
        return (solution.growth + r) / lam

    ends = math.log(low), math.log(high)
    found = minimize_scalar(speed, bounds=ends, method="bounded", options={"xatol": _TOLERANCE})
    if min(found.x - ends[0], ends[1] - found.x) < 10.0 * _TOLERANCE:
        expected = f"a minimum between {low:g} and {high:g}"
        raise InputError(f"lam: expected {expected}, got one at {math.exp(found.x):g}")
    return FrontSpeed(float(found.fun), math.exp(found.x), int(found.nfev))
