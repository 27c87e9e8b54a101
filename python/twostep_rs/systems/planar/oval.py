"""An oval to a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twostep_rs.systems.planar.problem import PlanarProblem

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NOISE = 0.05


class Oval(PlanarProblem):
    """From the ellipse with half-axes 2 and 1/2 to the unit circle, both blurred.

    Angles are uniform and positions have Gaussian noise of deviation 0.05 (W-Flow, figure 5a,
    which does not print the numbers). A map with the least transport cost moves every particle
    to the near side.
    """

    def _sources(self, n: int, random: np.random.Generator) -> NDArray[np.float64]:
        return _blurred(n, random, (2.0, 0.5))

    def _targets(self, n: int, random: np.random.Generator) -> NDArray[np.float64]:
        return _blurred(n, random, (1.0, 1.0))


def _blurred(n: int, random: np.random.Generator, axes: tuple[float, float]) -> NDArray[np.float64]:
    angles = random.uniform(0.0, 2.0 * np.pi, n)
    curve = np.stack([axes[0] * np.cos(angles), axes[1] * np.sin(angles)], axis=1)
    return curve + _NOISE * random.standard_normal((n, 2))
