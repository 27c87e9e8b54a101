"""Six common modes and two rare ones, far away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twostep_rs.systems.planar.problem import Mixture, ring

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Imbalanced(Mixture):
    """From N(0, I) to six Gaussians of mass 0.15 on the unit circle and two of 0.05 beyond.

    The page shows such a law without its numbers (W-Flow, figure 6a). Ours: deviation 0.1 for all,
    the rare ones around (3, 3) and (-3, 3), more than three radii from the nearest common mode.
    """

    centres: NDArray[np.float64] = np.concatenate([ring(6, 1.0), [[3.0, 3.0], [-3.0, 3.0]]])
    masses: NDArray[np.float64] = np.repeat([0.15, 0.05], [6, 2])
    deviation: float = 0.1
