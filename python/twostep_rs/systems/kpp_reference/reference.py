"""The deterministic solution that a run of particles tends to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.systems.generations import offset

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from twostep_rs.systems.generations import Normalisation
    from twostep_rs.systems.kpp_reference.density import TorusDensity


@dataclass(frozen=True, eq=False)
class Reference:
    r"""Growth rate and law of infinitely many particles after infinitely many periods.

    Attributes:
        kappa: diffusivity.
        lam: decay rate of the front.
        r: rate of the reaction.
        dt: time step of the Euler-Maruyama scheme that was solved; None for continuous time.
        growth: :math:`\mu_0`, the logarithm of the leading multiplier of a period.
        relaxation: periods in which the distance of a law to the limit falls by e in the end:
            one over the logarithm of the ratio of the first two multipliers.
        law: the limit at whole times, the leading eigenfunction of the forward equation.
        modes: largest length of a wave vector of the solution.
        steps: steps in a period of the solution.
    """

    kappa: float
    lam: float
    r: float
    dt: float | None
    growth: float
    relaxation: float
    law: TorusDensity
    modes: int
    steps: int

    def c(self, normalisation: Normalisation = "kpp") -> float:
        """The front speed, as :meth:`twostep_rs.systems.Generations.c` normalises it."""
        return (self.growth + offset(normalisation, self.r, self.kappa)) / self.lam

    def density(self, x: ArrayLike) -> NDArray[np.float64]:
        """The density of the law at points ``x``, (n, dim)."""
        return self.law(x)

    def bin_masses(self, bins: int = 72, axes: Sequence[int] | None = None) -> NDArray[np.float64]:
        """Exact masses of the cells of a grid over the torus, or over some of its axes.

        Args:
            bins: cells per axis.
            axes: the axes, from 0; all by default.

        Returns:
            Array with ``bins`` entries per axis and sum one.
        """
        return (self.law if axes is None else self.law.marginal(axes)).bin_masses(bins)

    def sample(self, n: int, seed: int = 0) -> NDArray[np.float64]:
        """Draw ``n`` independent particles of the law, (n, dim) in [0, 2 pi)."""
        return self.law.sample(n, seed)
