"""From the source at t = 1 to the target at t = 0, along a velocity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Field = Callable[[Tensor, Tensor], Tensor]


def euler(velocity: Field, z: Tensor, steps: int) -> Tensor:
    """Equal steps of Euler's method.

    Args:
        velocity: of positions (n, d) and times (n, 1).
        z: positions at t = 1, (n, d).
        steps: number of steps, and of evaluations.
    """
    for k in range(steps, 0, -1):
        t = z.new_full((len(z), 1), k / steps)
        z = z - velocity(z, t) / steps
    return z


def adaptive(velocity: Field, z: Tensor, tolerance: float) -> Tensor:
    """Dormand and Prince's method of order five, by SciPy in double precision.

    Args:
        velocity: of positions (n, d) and times (n, 1).
        z: positions at t = 1, (n, d).
        tolerance: of a step, relative, and a tenth of it absolute.

    Raises:
        ModuleNotFoundError: SciPy is not installed.
    """
    from scipy.integrate import solve_ivp

    def slope(t: float, flat: NDArray[np.float64]) -> NDArray[np.float64]:
        points = torch.from_numpy(flat).to(z).view_as(z)
        return velocity(points, z.new_full((len(z), 1), t)).double().flatten().cpu().numpy()

    start = z.double().flatten().cpu().numpy()
    solved = solve_ivp(slope, (1.0, 0.0), start, rtol=tolerance, atol=0.1 * tolerance)
    return torch.from_numpy(solved.y[:, -1]).to(z).view_as(z)
