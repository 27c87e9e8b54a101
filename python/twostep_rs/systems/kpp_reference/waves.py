"""The waves that a velocity consists of."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twostep_rs.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twostep_rs.systems.kpp_reference.problem import Velocity

# Velocities may have waves up to a third of the grid, and nothing beyond.
_GRID = {2: 48, 3: 24}
_NOTHING = 1e-12


class Waves(NamedTuple):
    r"""A velocity :math:`v_j = \mathrm{Re} \sum_m a_{jm} e^{i m \cdot x}`.

    Attributes:
        vectors: wave vectors m, one of every pair m, -m; (w, d).
        amplitudes: a, complex, (times, w, d).
    """

    vectors: NDArray[np.int64]
    amplitudes: NDArray[np.complex128]


def waves_of(velocity: Velocity, dim: int, times: Sequence[float]) -> Waves:
    """Decompose a velocity, which is sampled on a grid, at every time.

    Raises:
        InputError: it is not finite somewhere, or its waves are too short for the grid.
    """
    size = _GRID[dim]
    axis = 2.0 * math.pi / size * np.arange(size)
    points = np.stack(np.meshgrid(*[axis] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
    frequencies = np.fft.fftfreq(size, 1.0 / size).astype(np.int64)
    vectors = np.stack(
        np.meshgrid(*[frequencies] * (dim - 1), np.arange(size // 2 + 1), indexing="ij"), axis=-1
    ).reshape(-1, dim)
    samples = np.stack([velocity(points, time) for time in times])
    if not np.isfinite(samples).all():
        raise InputError("flow: expected finite velocities, got NaN or infinity")
    shape = (len(times), *[size] * dim, dim)
    axes = tuple(range(1, dim + 1))
    spectrum = np.fft.rfftn(samples.reshape(shape), axes=axes).reshape(len(times), -1, dim)
    spectrum /= size**dim
    present = abs(spectrum).max(axis=(0, 2)) > _NOTHING * max(1.0, float(abs(samples).max()))
    present[0] = True  # the mean, so that there is always one
    longest = abs(vectors[present]).max(initial=0)
    if longest > size // 3:
        raise InputError(
            f"flow: expected waves of at most {size // 3} per axis for a deterministic reference, "
            f"got {longest}"
        )
    half = present & _first_of_pair(vectors)
    # The opposite of a wave has the conjugate amplitude: twice the real part stands for both.
    doubled = np.where((vectors[half] == 0).all(axis=1), 1.0, 2.0)
    return Waves(vectors[half], spectrum[:, half] * doubled[:, None])


def _first_of_pair(vectors: NDArray[np.int64]) -> NDArray[np.bool_]:
    """One of every pair m, -m; the real transform has both where the last entry is 0."""
    order = np.zeros(len(vectors), dtype=np.int64)
    for column in vectors.T[::-1]:
        order = np.where(order == 0, np.sign(column), order)
    return order >= 0
