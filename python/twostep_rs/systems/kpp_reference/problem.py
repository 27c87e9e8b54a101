"""What is solved: the eigenvalue problem of one flow at one diffusivity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Velocity = Callable[[NDArray[np.float64], float], NDArray[np.float64]]

Direction = Literal["forward", "backward"]


@dataclass(frozen=True)
class Problem:
    r"""A period of the forward equation, or of its adjoint.

    With the drift :math:`b = 2\kappa\lambda e_1 + v` and the potential
    :math:`V = \kappa\lambda^2 + \lambda v_1`:

    .. math::
        p_t = \kappa \Delta p - \nabla \cdot (b p) + V p, \qquad
        -w_t = \kappa \Delta w + b \cdot \nabla w + V w .

    Attributes:
        dim: number of axes d of the torus :math:`[0, 2\pi)^d`.
        velocity: v at points of shape (n, d) and a time, of period 1 in time.
        kappa: diffusivity.
        lam: decay rate of the front.
        direction: ``forward``, whose eigenfunction is the law of the particles, or ``backward``.
    """

    dim: int
    velocity: Velocity
    kappa: float
    lam: float
    direction: Direction = "forward"
