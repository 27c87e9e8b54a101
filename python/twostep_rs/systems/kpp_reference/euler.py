r"""One period of the Euler-Maruyama scheme with infinitely many particles.

A step multiplies the density by the weight :math:`e^{V h}`, moves it by :math:`h b` and smooths it:

.. math::
    \hat p_k \leftarrow e^{-\kappa h |k|^2} \int e^{V h} p \, e^{-i k \cdot (x + h b)} \, dx

The velocity in the exponent is expanded, :math:`e^{-i h k \cdot v} = \sum_\alpha
(-i h k)^\alpha v^\alpha / \alpha!`, so that every term is the transform of a product on a grid.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twostep_rs.systems.kpp_reference.modes import HalfSpace
    from twostep_rs.systems.kpp_reference.problem import Problem

# Remainder of the series, relative; and how many waves more than the modes a product may have.
_REMAINDER = 1e-14
_MARGIN = 24


class EulerMap:
    """The law of the scheme one period later, as a linear map on the coefficients of the modes.

    Args:
        problem: the forward problem.
        modes: the Fourier modes.
        steps: Euler-Maruyama steps in the period.
    """

    def __init__(self, problem: Problem, modes: HalfSpace, steps: int) -> None:
        from scipy import fft

        dim, h = modes.dim, 1.0 / steps
        self._fft, self._modes, self._steps = fft, modes, steps
        self._size = fft.next_fast_len(2 * modes.cutoff + 1 + _MARGIN, real=True)
        axis = 2.0 * math.pi / self._size * np.arange(self._size)
        points = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
        shape = (self._size,) * dim
        self._velocities = [
            problem.velocity(points, j * h).T.reshape(dim, *shape) for j in range(steps)
        ]
        self._weights = [
            np.exp(h * (problem.kappa * problem.lam**2 + problem.lam * v[0]))
            for v in self._velocities
        ]
        # Modes by the last axis, where the transform of a real array has no negative ones.
        k = np.where(modes.vectors[:, -1:] < 0, -modes.vectors, modes.vectors)
        self._flipped = modes.vectors[:, -1] < 0
        self._place = tuple((k % self._size).T)
        self._orders = _orders(dim, h * modes.cutoff * self._fastest())
        phase = -1j * h * k
        self._factors = np.array(
            [
                np.prod(phase**alpha, axis=1) / math.prod(map(math.factorial, alpha))
                for alpha in self._orders
            ]
        )
        self._propagator = np.exp(
            -problem.kappa * h * (k**2).sum(axis=1)
            + 2.0 * problem.kappa * problem.lam * phase[:, 0]
        )

    def __call__(self, p: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Carry ``p``, (n,), over one period."""
        for velocity, weight in zip(self._velocities, self._weights, strict=True):
            terms = self._terms(weight * self._values(p), velocity)
            axes = tuple(range(1, self._modes.dim + 1))
            transformed = self._fft.rfftn(terms, axes=axes)[:, *self._place]
            p = self._unflip(self._propagator * (self._factors * transformed).sum(axis=0))
        return p

    def _values(self, p: NDArray[np.complex128]) -> NDArray[np.float64]:
        """On the grid, up to a factor that :meth:`__call__` takes back."""
        shape = (self._size,) * self._modes.dim
        half = np.zeros((*shape[:-1], self._size // 2 + 1), dtype=np.complex128)
        half[self._place] = self._unflip(p)
        # In the plane of modes without the last axis both of a pair are there.
        flat = self._modes.vectors[:, -1] == 0
        opposite = tuple((-self._modes.vectors[flat] % self._size).T)
        half[opposite] = p[flat].conj()
        half[(0,) * self._modes.dim] = p[0].real
        values: NDArray[np.float64] = self._fft.irfftn(half, s=shape)
        return values

    def _terms(self, q: NDArray[np.float64], velocity: NDArray[np.float64]) -> NDArray[np.float64]:
        """The products of ``q`` with the powers of the velocity, one for every order."""
        terms = np.empty((len(self._orders), *q.shape))
        index = {alpha: row for row, alpha in enumerate(self._orders)}
        for row, alpha in enumerate(self._orders):
            axis = next((j for j, power in enumerate(alpha) if power), None)
            if axis is None:
                terms[row] = q
            else:
                lower = (*alpha[:axis], alpha[axis] - 1, *alpha[axis + 1 :])
                np.multiply(terms[index[lower]], velocity[axis], out=terms[row])
        return terms

    def _unflip(self, p: NDArray[np.complex128]) -> NDArray[np.complex128]:
        return np.where(self._flipped, p.conj(), p)

    def _fastest(self) -> float:
        return max(float(np.sqrt((v**2).sum(axis=0)).max()) for v in self._velocities)


def _orders(dim: int, size: float) -> list[tuple[int, ...]]:
    """Multi-indices, the low ones first, up to where ``size**n / n!`` is nothing."""
    term, last = 1.0, 0
    while term > _REMAINDER:
        last += 1
        term *= size / last
    every = itertools.product(range(last + 1), repeat=dim)
    return sorted((alpha for alpha in every if sum(alpha) <= last), key=sum)
