"""Training parameters around another, and particles of a cloud."""

from __future__ import annotations

import bisect
import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twostep_rs.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Points = NDArray[np.float64]


class Neighbours(NamedTuple):
    """The two training parameters that are used at another one.

    Attributes:
        low: index of the smaller.
        high: index of the larger.
        weight: of the larger, so that the weighted mean is the parameter: below 0 or above 1 beyond
            the range of training.
    """

    low: int
    high: int
    weight: float


def neighbours(parameters: Sequence[float], parameter: float) -> Neighbours:
    """The training parameters around one, or the two that are nearest where there are none.

    Args:
        parameters: ascending.
        parameter: any.

    Raises:
        InputError: there is only one.
    """
    if len(parameters) < 2:
        raise InputError(f"clouds: expected at least two parameters, got {len(parameters)}")
    high = min(max(bisect.bisect_left(parameters, parameter), 1), len(parameters) - 1)
    low = high - 1
    span = parameters[high] - parameters[low]
    return Neighbours(low, high, (parameter - parameters[low]) / span)


def drawn(cloud: Points, source: Points) -> Points:
    """As many particles of a cloud as there are source particles, which fix the choice.

    None is there twice, unless more are asked for than there are.
    """
    random = np.random.default_rng(zlib.crc32(np.ascontiguousarray(source).tobytes()))
    rows = random.choice(len(cloud), len(source), replace=len(source) > len(cloud))
    chosen: Points = cloud[rows]
    return chosen
