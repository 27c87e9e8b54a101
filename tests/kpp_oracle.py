"""The Euler-Maruyama scheme of the KPP particles with infinitely many of them, by dense matrices.

Functions are sums of Fourier modes. A step is ``(P f)(x) = exp(h V(x)) E f(x + h b(x) + noise)``:
the noise multiplies mode k by ``exp(-kappa h |k|^2)``, the rest is evaluated on a grid.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from twostep_rs.systems import KPP


def cell2d(x, y, t, theta):
    a = theta * np.cos(2 * np.pi * t)
    return np.stack([-np.cos(y) - a * np.sin(x), np.cos(x) + a * np.sin(y)])


def cell2d_divfree(x, y, t, theta):
    a = theta * np.cos(2 * np.pi * t)
    return np.stack([-np.cos(y) - a * np.sin(y), np.cos(x) + a * np.sin(x)])


def kolmogorov3d(x, y, z, t, theta):
    del theta
    s = np.sin(2 * np.pi * t)
    return np.stack([np.sin(z + s), np.sin(x + s), np.sin(y + s)])


FLOWS = {
    "cell2d": cell2d,
    "cell2d-divfree": cell2d_divfree,
    "kolmogorov3d": kolmogorov3d,
}


class EulerOracle:
    """Growth per period, and the law at whole times by its characteristic function."""

    def __init__(self, kpp: KPP, kappa: float, steps: int, cutoff: int) -> None:
        velocity = FLOWS[kpp.flow]
        waves = range(-cutoff, cutoff + 1)
        self.modes = np.array(list(itertools.product(waves, repeat=kpp.dim)))
        side = 2 * np.pi * np.arange(2 * cutoff + 1) / (2 * cutoff + 1)
        grid = np.array(list(itertools.product(side, repeat=kpp.dim)))
        to_modes = np.exp(-1j * self.modes @ grid.T) / len(grid)
        h = 1.0 / steps
        blur = np.exp(-kappa * h * (self.modes**2).sum(axis=1))
        self.steps = []
        for step in range(steps):
            v = velocity(*grid.T, step * h, kpp.theta)
            twist = 2 * kappa * kpp.lam * np.eye(kpp.dim)[:1].T
            places = grid + h * (v + twist).T
            weight = np.exp(h * (kpp.lam * v[0] + kappa * kpp.lam**2))
            self.steps.append(
                to_modes @ (weight[:, None] * np.exp(1j * places @ self.modes.T)) * blur
            )
        self._iterate()

    def _iterate(self) -> None:
        """The left eigenvector: forward, as the particles go."""
        law = np.zeros(len(self.modes), dtype=complex)
        origin = len(law) // 2  # the mode zero
        law[origin] = 1.0
        self.growth = previous = np.inf
        for _ in range(400):
            for step in self.steps:
                law = law @ step
            self.growth = float(np.log(law[origin].real))
            law /= law[origin]
            if abs(self.growth - previous) < 1e-10:
                break
            previous = self.growth
        self.law = law

    def mean_wave(self, k) -> complex:
        """``E exp(i k.x)`` at whole times."""
        (row,) = np.flatnonzero((self.modes == np.asarray(k)).all(axis=1))
        return complex(self.law[row])


def shear_growth(kappa: float, lam: float, strength: float, steps: int | None) -> float:
    """Growth for ``v = (strength sin y, 0)``: a problem on the circle; None for continuous time."""
    cutoff = 30
    k = np.arange(-cutoff, cutoff + 1)
    n = 4 * cutoff
    y = 2 * np.pi * np.arange(n) / n
    waves = np.exp(1j * np.outer(y, k))
    potential = lam * strength * np.sin(y)
    if steps is None:
        multiply = waves.conj().T @ (potential[:, None] * waves) / n
        return float(np.linalg.eigvalsh(multiply - kappa * np.diag(k**2)).max() + kappa * lam**2)
    multiply = waves.conj().T @ (np.exp(potential / steps)[:, None] * waves) / n
    half = np.exp(-kappa * k**2 / (2 * steps))
    step = half[:, None] * multiply * half
    return float(steps * np.log(np.linalg.eigvalsh(step).max()) + kappa * lam**2)
