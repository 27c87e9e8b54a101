"""Eight Gaussians on a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twostep_rs.systems.planar.problem import Mixture, ring

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Gaussians8(Mixture):
    """From N(0, I) to eight equal Gaussians of deviation 0.2 on the circle of radius 2."""

    centres: NDArray[np.float64] = ring(8, 2.0)
    masses: NDArray[np.float64] = np.full(8, 1.0 / 8.0)
    deviation: float = 0.2
