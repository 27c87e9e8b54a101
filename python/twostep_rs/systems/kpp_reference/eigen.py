"""Leading multipliers of a period map, by Arnoldi iteration."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twostep_rs.errors import ConvergenceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Map = Callable[[NDArray[np.complex128]], NDArray[np.complex128]]

_MOST_RESTARTS = 500


class Leading(NamedTuple):
    """The leading multiplier of a period map, and how far the next one is.

    Attributes:
        growth: logarithm of the leading multiplier.
        relaxation: periods in which the ratio of the next to the leading one falls by e; NaN where
            only the leading one was asked for.
        vector: its eigenvector, of unit mean.
    """

    growth: float
    relaxation: float
    vector: NDArray[np.complex128]


def leading(
    period_map: Map,
    start: NDArray[np.complex128],
    *,
    relaxation: bool = True,
    tolerance: float = 1e-12,
) -> Leading:
    """Find the multiplier of largest modulus, which is positive and simple.

    Args:
        period_map: acts on coefficients, (n,), of real functions.
        start: where the iteration starts, (n,).
        relaxation: whether the second multiplier is wanted too.
        tolerance: relative, of the multipliers.

    Raises:
        ConvergenceError: the iteration does not settle.
    """
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

    size = 2 * len(start)
    operator = LinearOperator(
        (size, size),
        matvec=lambda x: period_map(np.ascontiguousarray(x.ravel()).view(np.complex128)).view(
            np.float64
        ),
        dtype=np.float64,
    )
    try:
        multipliers, vectors = eigs(
            operator,
            k=2 if relaxation else 1,
            which="LM",
            v0=start.view(np.float64),
            maxiter=_MOST_RESTARTS,
            tol=tolerance,
        )
    except ArpackNoConvergence as error:
        message = f"reference: expected multipliers that settle, got {error}"
        raise ConvergenceError(message, math.inf) from error
    order = np.argsort(-abs(multipliers), kind="stable")
    logs = np.log(abs(multipliers[order]))
    vector = np.ascontiguousarray(vectors[:, order[0]].real).view(np.complex128)
    gap = logs[0] - logs[1] if relaxation else math.nan
    return Leading(float(logs[0]), float(1.0 / gap), vector / vector[0].real)
