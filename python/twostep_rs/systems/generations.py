"""What a run of Feynman-Kac particles has found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from twostep_rs._scalars import as_choice, as_integer

if TYPE_CHECKING:
    from numpy.typing import NDArray

Normalisation = Literal["kpp", "growth", "printed"]

_BATCHES = 16


@dataclass(frozen=True, eq=False)
class Generations:
    r"""Growth of the weights period by period, and the particles at the end.

    Attributes:
        kappa: diffusivity.
        lam: decay rate of the front.
        r: rate of the reaction.
        dt: time step.
        richardson: whether ``growth`` is extrapolated in the time step.
        burn_in: leading periods that the estimates leave out.
        cloud: particles at the end, of equal weight, shape (M, dim), float64, in [0, 2 pi).
        growth: :math:`\kappa \lambda^2` plus the logarithm of the mean weight gained, per
            period, shape (T,), float64.
        ess: smallest effective sample size of the weights in each period, shape (T,), float64.
        ancestors: particles at the start of each period that have descendants at its end,
            shape (T,), int64.
    """

    kappa: float
    lam: float
    r: float
    dt: float
    richardson: bool
    burn_in: int
    cloud: NDArray[np.float64]
    growth: NDArray[np.float64]
    ess: NDArray[np.float64]
    ancestors: NDArray[np.int64]

    @property
    def mu0(self) -> float:
        r"""Estimate of :math:`\mu_0`: the mean growth after the burn-in."""
        return float(self.growth[self.burn_in :].mean())

    @property
    def standard_error(self) -> float:
        """Standard error of :attr:`mu0`, by batch means; NaN with fewer than two periods.

        The periods after the burn-in are cut into up to 16 batches of equal length.
        """
        growth = self.growth[self.burn_in :]
        length = -(-len(growth) // _BATCHES)
        count = len(growth) // length
        if count < 2:
            return math.nan
        # The last batches are the ones that are whole: the start is what a rest is left from.
        batches = growth[len(growth) - count * length :].reshape(count, length).mean(axis=1)
        return float(batches.std(ddof=1) / math.sqrt(count))

    def c(self, normalisation: Normalisation = "kpp") -> float:
        r"""Estimate of the front speed, after the burn-in.

        Args:
            normalisation: ``kpp``: :math:`(\mu_0 + r) / \lambda`, the speed of fronts of the
                equation; ``growth``: :math:`\mu_0 / \lambda`; ``printed``:
                :math:`(\mu_0 + \kappa) / \lambda`, as a published formula has it.
        """
        return (self.mu0 + offset(normalisation, self.r, self.kappa)) / self.lam

    def running(self, normalisation: Normalisation = "kpp") -> NDArray[np.float64]:
        """The speed estimated from the first 1, 2, ..., T periods, burn-in or not; shape (T,)."""
        means = np.cumsum(self.growth) / np.arange(1, len(self.growth) + 1)
        return (means + offset(normalisation, self.r, self.kappa)) / self.lam

    def windowed(self, width: int, normalisation: Normalisation = "kpp") -> NDArray[np.float64]:
        """The speed estimated from each ``width`` periods in turn; shape (T - width + 1,)."""
        width = as_integer("width", width, low=1, high=len(self.growth))
        means = np.convolve(self.growth, np.full(width, 1.0 / width), mode="valid")
        return (means + offset(normalisation, self.r, self.kappa)) / self.lam


def offset(normalisation: Normalisation, r: float, kappa: float) -> float:
    r"""What a normalisation adds to :math:`\mu_0`.

    Raises:
        InputError: there is no such normalisation.
    """
    as_choice("normalisation", normalisation, get_args(Normalisation))
    return {"kpp": r, "growth": 0.0, "printed": kappa}[normalisation]
