"""The generator of the weighted diffusion in the Fourier basis.

The velocity has few waves m, so that mode k couples with the modes k - m and k + m alone.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from twostep_rs.systems.kpp_reference.waves import waves_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twostep_rs.systems.kpp_reference.modes import HalfSpace
    from twostep_rs.systems.kpp_reference.problem import Problem


class Generator:
    """The generator as a diagonal part and a sparse one that depends on time.

    Coefficients of modes are complex; a real view of them, (re, im) in turn, is what the sparse
    part multiplies, since the opposite of a mode enters by its conjugate.

    Args:
        problem: what to solve.
        modes: the Fourier modes.
        times: when the sparse part is wanted.

    Attributes:
        diagonal: the part with constant coefficients, one complex number per mode.
    """

    def __init__(self, problem: Problem, modes: HalfSpace, times: Sequence[float]) -> None:
        from scipy import sparse

        k = modes.vectors.astype(np.float64)
        kappa, lam = problem.kappa, problem.lam
        sign = -1.0 if problem.direction == "forward" else 1.0
        self.diagonal = (
            -kappa * (k**2).sum(axis=1) + kappa * lam**2 + sign * 2j * kappa * lam * k[:, 0]
        )
        waves = waves_of(problem.velocity, problem.dim, times)
        # Real and imaginary parts in turn, one row a time.
        self._numbers = waves.amplitudes.reshape(len(times), -1).view(np.float64)
        entries = _entries(problem, modes, waves.vectors)
        places, place = np.unique(entries.place, return_inverse=True)
        size = 2 * len(modes)
        self._matrix = sparse.csr_array(
            (np.zeros(len(places)), np.divmod(places, size)), shape=(size, size)
        )
        # Entries of the matrix are linear in the amplitudes.
        self._mix = sparse.csr_array(
            (entries.value, (place, entries.number)),
            shape=(len(places), self._numbers.shape[1]),
        )

    def at(self, index: int) -> Any:
        """The sparse part at a time, a matrix on real views."""
        matrix = copy.copy(self._matrix)  # they share the places
        matrix.data = self._mix @ self._numbers[index]
        return matrix


class _Entries(NamedTuple):
    """Contributions to the matrix: ``value`` times a real number at a place.

    Attributes:
        place: row * size + column.
        number: which real or imaginary part of an amplitude.
        value: its factor.
    """

    place: NDArray[np.int64]
    number: NDArray[np.int64]
    value: NDArray[np.float64]


def _entries(problem: Problem, modes: HalfSpace, vectors: NDArray[np.int64]) -> _Entries:
    found: list[_Entries] = []
    for number in range(2 * vectors.size):
        wave, component = divmod(number // 2, modes.dim)
        vector = vectors[wave]
        amplitude = 0.5j if number % 2 else 0.5
        for shift, factor in ((vector, amplitude), (-vector, np.conj(amplitude))):
            place, value = _coupling(problem, modes, component, shift, factor)
            found.append(_Entries(place, np.full(len(place), number), value))
    return _Entries(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))


def _coupling(
    problem: Problem,
    modes: HalfSpace,
    component: int,
    vector: NDArray[np.int64],
    amplitude: complex,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Products with one wave, in the derivative and in the potential, as a real matrix."""
    source = modes.vectors - vector
    # The derivative acts on the product in the forward equation, before it in the backward one.
    if problem.direction == "forward":
        values = -1j * amplitude * modes.vectors[:, component]
    else:
        values = 1j * amplitude * source[:, component]
    if component == 0:
        values = values + problem.lam * amplitude
    found = modes.find(source)
    row = np.flatnonzero(found.inside)
    column, value = found.row[row], values[row]
    mirror = np.where(found.conjugate[row], -1.0, 1.0)
    blocks = (
        (0, 0, value.real),
        (0, 1, -mirror * value.imag),
        (1, 0, value.imag),
        (1, 1, mirror * value.real),
    )
    rows = np.concatenate([2 * row + i for i, _, _ in blocks])
    columns = np.concatenate([2 * column + j for _, j, _ in blocks])
    entries = np.concatenate([entry for _, _, entry in blocks])
    keep = (entries != 0.0) & (rows != 1) & (columns != 1)  # the mean is real
    return rows[keep] * (2 * len(modes)) + columns[keep], entries[keep]
