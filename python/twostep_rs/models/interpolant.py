"""Stochastic interpolants: random paths from source to target particles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["linear", "variance-preserving", "variance-exploding"]

_HALF_PI = 0.5 * math.pi


class Coefficients(NamedTuple):
    """Factors of source, target and noise, or their derivatives in time; each (n, 1)."""

    source: Tensor
    target: Tensor
    noise: Tensor


class Ends(NamedTuple):
    """Particles that paths join, each (n, d); the noise may be absent where its factor is zero."""

    source: Tensor
    target: Tensor
    noise: Tensor | None = None


@dataclass(frozen=True)
class Interpolant:
    r"""The path :math:`I_t = \alpha_t x_0 + \beta_t x_1 + \gamma_t z` (Boffi et al. 2024, 3.12).

    Time runs from the source at t = 0 to the target at t = 1. Whatever the coupling of the ends,
    particles that start as :math:`I_0` and move with :math:`b_t(x) = E[\dot I_t | I_t = x]` have
    the law of :math:`I_t` at every time.

    ``linear``: 1 - t and t. ``variance-preserving``: cos(pi t / 2) and sin(pi t / 2); these are
    :math:`\sqrt{1 - \tau^2}` and :math:`\tau` in the time tau = sin(pi t / 2), in which
    velocities would not stay bounded. ``variance-exploding``: T (1 - t) and 1; its path begins at
    :math:`x_1 + T x_0` and not at the source, which :meth:`start` approximates by
    :math:`T x_0`. The last two are the diffusions of the literature where the source is standard
    normal.

    Attributes:
        kind: of alpha and beta.
        noise: c of the latent noise, gamma = c t (1 - t).
        explosion: T of ``variance-exploding``.
    """

    kind: Kind = "linear"
    noise: float = 0.0
    explosion: float = 10.0

    def coefficients(self, t: Tensor) -> Coefficients:
        """alpha, beta and gamma at times (n, 1)."""
        gamma = self.noise * t * (1.0 - t)
        if self.kind == "linear":
            return Coefficients(1.0 - t, t, gamma)
        if self.kind == "variance-preserving":
            return Coefficients(torch.cos(_HALF_PI * t), torch.sin(_HALF_PI * t), gamma)
        return Coefficients(self.explosion * (1.0 - t), torch.ones_like(t), gamma)

    def rates(self, t: Tensor) -> Coefficients:
        """Derivatives of alpha, beta and gamma at times (n, 1)."""
        gamma = self.noise * (1.0 - 2.0 * t)
        if self.kind == "linear":
            return Coefficients(-torch.ones_like(t), torch.ones_like(t), gamma)
        if self.kind == "variance-preserving":
            alpha, beta, _ = self.coefficients(t)
            return Coefficients(-_HALF_PI * beta, _HALF_PI * alpha, gamma)
        return Coefficients(torch.full_like(t, -self.explosion), torch.zeros_like(t), gamma)

    def position(self, ends: Ends, t: Tensor) -> Tensor:
        """Where the paths are at times (n, 1), (n, d)."""
        return self._combined(self.coefficients(t), ends)

    def velocity(self, ends: Ends, t: Tensor) -> Tensor:
        """How the paths move at times (n, 1), (n, d)."""
        return self._combined(self.rates(t), ends)

    def start(self, source: Tensor) -> Tensor:
        """Where a source particle, (n, d), starts to move."""
        return self.explosion * source if self.kind == "variance-exploding" else source

    def _combined(self, factors: Coefficients, ends: Ends) -> Tensor:
        found = factors.source * ends.source + factors.target * ends.target
        return found if ends.noise is None else found + factors.noise * ends.noise
