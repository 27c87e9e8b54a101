"""One period of the forward or backward equation, by a Runge-Kutta method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twostep_rs.systems.kpp_reference.operator import Generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twostep_rs.systems.kpp_reference.modes import HalfSpace
    from twostep_rs.systems.kpp_reference.problem import Problem


class PeriodMap:
    """The solution one period later, as a linear map on the coefficients of the modes.

    The classical fourth-order Runge-Kutta method with an integrating factor: the diagonal part
    is solved exactly, so that the steps are bounded by the velocity and not by the diffusion.

    Args:
        problem: what to solve.
        modes: the Fourier modes.
        steps: steps in the period.
    """

    def __init__(self, problem: Problem, modes: HalfSpace, steps: int) -> None:
        # A backward solution is followed against time.
        sign = 1.0 if problem.direction == "forward" else -1.0
        times = [sign * 0.5 * step / steps for step in range(2 * steps + 1)]
        self._generator = Generator(problem, modes, times)
        self._steps = steps
        self._half = np.exp(0.5 / steps * self._generator.diagonal)

    def __call__(self, p: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Carry ``p``, (n,), over one period."""
        h, half, at = 1.0 / self._steps, self._half, self._generator.at
        p = p.copy()
        p[0] = p[0].real
        now = at(0)
        for step in range(self._steps):
            middle, after = at(2 * step + 1), at(2 * step + 2)
            decayed = half * p
            a = half * _times(now, p)
            b = _times(middle, decayed + 0.5 * h * a)
            c = _times(middle, decayed + 0.5 * h * b)
            d = _times(after, half * (decayed + h * c))
            p = half * (decayed + h / 6.0 * (a + 2.0 * (b + c))) + h / 6.0 * d
            now = after
        return p


def _times(matrix: object, p: NDArray[np.complex128]) -> NDArray[np.complex128]:
    product: NDArray[np.float64] = matrix @ p.view(np.float64)  # type: ignore[operator]
    return product.view(np.complex128)
