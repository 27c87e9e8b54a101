"""Resampling of weighted particles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from twostep_rs import _core
from twostep_rs._arrays import as_float64, like
from twostep_rs._scalars import as_choice, as_integer, as_threads
from twostep_rs.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Scheme = Literal["systematic", "stratified", "multinomial", "residual", "ssp", "killing"]

_SCHEMES = get_args(Scheme)
_LARGEST_SEED = 2**64 - 1
_MOST = 2**32 - 257


def resample(
    *,
    weights: Any = None,
    log_weights: Any = None,
    m: int | None = None,
    scheme: Scheme = "systematic",
    seed: int = 0,
    in_place: bool = False,
    threads: int | None = None,
) -> Any:
    r"""Draw the ancestors of ``m`` particles of equal weight from weighted ones.

    With :math:`W_i` the weights over their sum, particle i gets :math:`N_i` offspring with
    :math:`\sum N_i = m` and :math:`E[N_i] = m W_i`, in every scheme:

    - ``systematic``: one random number; :math:`|N_i - m W_i| < 1`, and the smallest variance in
      most uses; it depends on the order of the particles;
    - ``ssp`` (Srinivasan sampling process): :math:`|N_i - m W_i| < 1` too, with
      negatively associated offspring, so that it never has more variance than multinomial;
    - ``stratified``: one random number in each of m strata of the cumulative weights;
    - ``residual``: :math:`\lfloor m W_i \rfloor` offspring, and independent draws for the rest;
    - ``multinomial``: independent draws;
    - ``killing``: a particle survives with probability :math:`W_i / \max W`, and independent draws
      replace the others; m must be the number of weights.

    Schemes and properties: Gerber, Chopin and Whiteley, Annals of Statistics 47 (2019). The
    result is the same for any number of threads. A particle of weight zero has no offspring.

    Args:
        weights: shape (n,), at least 0, of any positive sum; NumPy or torch.
        log_weights: their logarithms, in place of ``weights``; minus infinity is a weight of zero.
        m: offspring in all, at least 1; n where it is None.
        scheme: how they are drawn.
        seed: from 0 to 2^64 - 1.
        in_place: let every particle with offspring stay where it is, so that
            ``ancestors[i] == i``, and put the others into the places of those without; m must be
            n. Otherwise ancestors are in ascending order.
        threads: number of threads; the package's default where it is None.

    Returns:
        Indices, shape (m,), int64; a tensor on the same device where a tensor came in.

    Raises:
        InputError: NaN, a weight that is infinite, no positive weight, or a value out of range.
        MassError: a weight is negative.
        ShapeError: the weights are not a vector or have no entries, or ``m`` is not n where
            it must be.
        DtypeError: an argument of a type that cannot be used.

    Example:
        >>> resample(weights=[0.1, 0.0, 0.5, 0.4], m=10, seed=0).tolist()
        [0, 2, 2, 2, 2, 2, 3, 3, 3, 3]
        >>> resample(weights=[0.1, 0.0, 2.9], in_place=True, seed=1).tolist()
        [2, 2, 2]
    """
    name, values = _one_of(weights, log_weights)
    count = len(values) if m is None else as_integer("m", m, low=1, high=_MOST)
    scheme = as_choice("scheme", scheme, _SCHEMES)
    seed = as_integer("seed", seed, low=0, high=_LARGEST_SEED)
    ancestors = np.empty(count, dtype=np.int64)
    _core.resample(
        values,
        name == "log_weights",
        scheme,
        bool(in_place),
        seed,
        ancestors,
        threads=as_threads(threads),
    )
    return like(weights, log_weights)(ancestors)


def log_mean_weight(*, weights: Any = None, log_weights: Any = None) -> float:
    """Logarithm of the mean weight, by which resampling normalises.

    Args:
        weights: shape (n,), at least 0, NumPy or torch.
        log_weights: their logarithms, in place of ``weights``; no overflow or underflow occurs.

    Returns:
        The logarithm; minus infinity where all weights are zero.

    Example:
        >>> round(log_mean_weight(log_weights=[-1000.0, -1000.0, -1000.0]), 9)
        -1000.0
    """
    name, values = _one_of(weights, log_weights)
    if values.size == 0 or np.isnan(values).any():
        raise InputError(f"{name}: expected at least one entry and no NaN")
    with np.errstate(divide="ignore"):
        logarithms = values if name == "log_weights" else np.log(values)
    largest = logarithms.max()
    if not np.isfinite(largest):
        return float(largest)
    return float(largest + np.log(np.exp(logarithms - largest).mean()))


def _one_of(weights: Any, log_weights: Any) -> tuple[str, NDArray[np.float64]]:
    if (weights is None) == (log_weights is None):
        raise InputError("weights, log_weights: expected one of them, got both or neither")
    name = "weights" if log_weights is None else "log_weights"
    return name, as_float64(name, weights if log_weights is None else log_weights, 1)
