r"""Sums of a Gaussian kernel over all pairs of two clouds, in the log domain.

Everything that entropic transport does with two clouds is one of two sums,

.. math::
    L_i = \log \sum_j \exp(h_j - \rho |x_i - y_j|^2), \qquad
    D_i = \sum_j p_{ij} (y_j - x_i), \quad
    p_{ij} = \exp(h_j - \rho |x_i - y_j|^2 - L_i).

Neither sum keeps a matrix: on a GPU one kernel of our own runs over blocks of targets that live in
registers (:mod:`twostep_rs.ot.fused`); elsewhere blocks of rows are found one after another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

#: Entries of a block: what caches like on a CPU, what fills a GPU.
_ENTRIES = {"cpu": 2**18, "cuda": 2**26}

#: Axes that the fused kernel is written for.
_FUSED_AXES = 4


class Pull(NamedTuple):
    """Where a kernel pulls points.

    Attributes:
        displacement: D, ``(k, n, d)``: from each point to the mean of its partners.
        log_sum: L, ``(k, n)``.
    """

    displacement: Tensor
    log_sum: Tensor


def log_sums(
    x: Tensor,
    y: Tensor,
    h: Tensor,
    rate: Tensor,
    *,
    period: Tensor | None = None,
    others: bool = False,
    masses: Tensor | None = None,
) -> Tensor:
    r"""The sums L, of k problems at once.

    Args:
        x: points, ``(k, n, d)``, float32 or float64.
        y: partners, ``(k, m, d)``.
        h: logarithms of their weights, ``(k, m)``; -inf leaves one out.
        rate: :math:`\rho` of every problem, ``(k,)``.
        period: periods of the axes of a torus, ``(d,)``; free space by default.
        others: whether the partner of the same index is left out.
        masses: logarithms of the masses of x, ``(k, n)``. Where they are given the result is
            ``masses - L``: by Sinkhorn's iteration the h of x for the sums of y.

    Returns:
        ``(k, n)``.
    """
    if _fuses(x):
        from twostep_rs.ot import fused

        return fused.log_sums(x, y, h, rate, period=period, others=others, masses=masses)
    parts = _blocks(x, y, h, rate, period, others)
    sums = torch.cat([_log_sum(logits, logits.softmax(dim=2)) for _, logits in parts], dim=1)
    return sums if masses is None else masses - sums


def pull(
    x: Tensor,
    y: Tensor,
    h: Tensor,
    rate: Tensor,
    *,
    period: Tensor | None = None,
    others: bool = False,
) -> Pull:
    """The sums D, and L with them; on a torus differences are the shortest.

    Args:
        x: as for :func:`log_sums`.
        y: likewise.
        h: likewise.
        rate: likewise.
        period: likewise.
        others: likewise.
    """
    if _fuses(x):
        from twostep_rs.ot import fused

        return Pull(*fused.pull(x, y, h, rate, period=period, others=others))
    displacements, sums = [], []
    for points, logits in _blocks(x, y, h, rate, period, others):
        plan = logits.softmax(dim=2)
        sums.append(_log_sum(logits, plan))
        displacements.append(_mean(points, y, plan, period))
    return Pull(torch.cat(displacements, dim=1), torch.cat(sums, dim=1))


def weights(
    x: Tensor,
    y: Tensor,
    h: Tensor,
    rate: Tensor,
    *,
    period: Tensor | None = None,
    others: bool = False,
) -> Tensor:
    """The matrix p, (k, n, m), for those who keep it.

    Args:
        x: as for :func:`log_sums`.
        y: likewise.
        h: likewise.
        rate: likewise.
        period: likewise.
        others: likewise.
    """
    blocks = _blocks(x, y, h, rate, period, others)
    return torch.cat([logits.softmax(dim=2) for _, logits in blocks], dim=1)


def laid_out(points: Tensor) -> Tensor:
    """The same points, (k, n, d), as the kernel of a GPU reads them: axis by axis in memory.

    Points that are laid out once are not copied by every call.
    """
    return points.mT.contiguous().mT if _fuses(points) else points


def _log_sum(logits: Tensor, plan: Tensor) -> Tensor:
    """``logits.logsumexp(dim=2)`` by their softmax.

    The exponential of logsumexp takes ten times as long on a CPU where it underflows, and far
    partners are many.
    """
    return logits.amax(dim=2) - plan.amax(dim=2).log_()


def _mean(x: Tensor, y: Tensor, weights: Tensor, period: Tensor | None) -> Tensor:
    if period is None:
        return torch.bmm(weights, y) - x
    axes = [(weights * gap).sum(dim=2) for gap in _gaps(x, y, period)]
    return torch.stack(axes, dim=2)


def _blocks(
    x: Tensor, y: Tensor, h: Tensor, rate: Tensor, period: Tensor | None, others: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Rows of x, and ``h - rate |x - y|^2`` of them, ``(k, rows, m)``, the receiver's own."""
    k, m, _ = y.shape
    rows = max(1, _ENTRIES.get(x.device.type, _ENTRIES["cuda"]) // (k * m))
    for start in range(0, x.shape[1], rows):
        points = x[:, start : start + rows]
        if period is None and x.device.type == "cpu":
            logits = _by_products(points, y, h, rate)
        else:
            squares = _square_distances(points, y, period)
            logits = squares.mul_(-rate[:, None, None]).add_(h.unsqueeze(1))
        if others:
            logits.diagonal(start, dim1=1, dim2=2).fill_(-torch.inf)
        yield points, logits


def _by_products(x: Tensor, y: Tensor, h: Tensor, rate: Tensor) -> Tensor:
    """Logits by one matrix product; around the middle of y, so that little cancels."""
    middle = y.mean(dim=1, keepdim=True)
    x, y = x - middle, y - middle
    column = h - rate.unsqueeze(1) * y.square().sum(dim=2)
    row = -rate.unsqueeze(1) * x.square().sum(dim=2)
    scaled = 2.0 * rate[:, None, None] * x
    return torch.baddbmm(column.unsqueeze(1), scaled, y.mT).add_(row.unsqueeze(2))


def _square_distances(x: Tensor, y: Tensor, period: Tensor | None) -> Tensor:
    gaps = _gaps(x, y, period)
    squares = next(gaps).square_()
    for gap in gaps:
        squares.addcmul_(gap, gap)
    return squares


def _gaps(x: Tensor, y: Tensor, period: Tensor | None) -> Iterator[Tensor]:
    """``y - x`` along one axis after another, ``(k, n, m)``, the receiver's own."""
    for axis in range(x.shape[2]):
        gap = y[:, None, :, axis] - x[:, :, None, axis]
        if period is not None:
            gap -= period[axis] * (gap / period[axis]).round_()
        yield gap


def _fuses(x: Tensor) -> bool:
    """Whether the kernel of our own takes these points."""
    return x.is_cuda and x.dtype == torch.float32 and x.shape[2] <= _FUSED_AXES and _has_triton()


def _has_triton() -> bool:
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return True
