"""The sums of :mod:`twostep_rs.ot.log_sums` as one kernel, in Triton, in float32.

A program holds a block of points and runs over all partners, block by block, with the running
maximum of a stable log-sum-exp (as attention does: Dao et al. 2022). Per pair it takes d + 3
operations and one exponential, whose unit is the limit of a GPU.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import triton
import triton.language as tl

if TYPE_CHECKING:
    from torch import Tensor

_LOG_2 = math.log(2.0)

#: Partners of a block.
_COLUMNS = 128
#: Points of a block where there are few, and where there are enough to fill a GPU.
_ROWS = (16, 32)
#: Points from which on the larger blocks fill it.
_MANY = 2**15


def log_sums(
    x: Tensor, y: Tensor, h: Tensor, rate: Tensor, *, period: Tensor | None, others: bool
) -> Tensor:
    """As :func:`twostep_rs.ot.log_sums.log_sums`."""
    sums, _ = _run(x, y, h, rate, period, others=others, pulls=False)
    return sums


def pull(
    x: Tensor, y: Tensor, h: Tensor, rate: Tensor, *, period: Tensor | None, others: bool
) -> tuple[Tensor, Tensor]:
    """As :func:`twostep_rs.ot.log_sums.pull`."""
    sums, displacement = _run(x, y, h, rate, period, others=others, pulls=True)
    return displacement, sums


def _run(
    x: Tensor,
    y: Tensor,
    h: Tensor,
    rate: Tensor,
    period: Tensor | None,
    *,
    others: bool,
    pulls: bool,
) -> tuple[Tensor, Tensor]:
    problems, n, axes = x.shape
    m = y.shape[1]
    sums = x.new_empty(problems, n)
    displacement = torch.empty_like(x, memory_format=torch.contiguous_format) if pulls else sums
    rows = _ROWS[problems * n >= _MANY]
    _kernel[(triton.cdiv(n, rows), problems)](
        x.contiguous(),
        y.contiguous(),
        h.contiguous(),
        rate.contiguous(),
        rate if period is None else period,
        sums,
        displacement,
        n,
        m,
        AXES=axes,
        TORUS=period is not None,
        OTHERS=others,
        PULLS=pulls,
        ROWS=rows,
        COLUMNS=_COLUMNS,
        LOG_2=_LOG_2,
    )
    return sums, displacement


@triton.jit
def _gap(x, y, length):
    """The shortest way from x to y on a circle."""
    gap = y[None, :] - x[:, None]
    return gap - length * tl.floor(gap / length + 0.5)


@triton.jit
def _kernel(
    x,
    y,
    h,
    rate,
    period,
    sums,
    displacement,
    n,
    m,
    AXES: tl.constexpr,
    TORUS: tl.constexpr,
    OTHERS: tl.constexpr,
    PULLS: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    LOG_2: tl.constexpr,
):
    problem = tl.program_id(1).to(tl.int64)
    x += problem * n * AXES
    y += problem * m * AXES
    h += problem * m
    sums += problem * n
    displacement += problem * n * AXES
    # Exponentials to the base two: those the device has.
    scale = tl.load(rate + problem) / LOG_2
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    here = row < n
    x0 = tl.load(x + row * AXES, mask=here, other=0.0)
    if AXES > 1:
        x1 = tl.load(x + row * AXES + 1, mask=here, other=0.0)
    if AXES > 2:
        x2 = tl.load(x + row * AXES + 2, mask=here, other=0.0)
    if AXES > 3:
        x3 = tl.load(x + row * AXES + 3, mask=here, other=0.0)
    # In free space partners are seen from the middle of the block, so that products of positions
    # cancel little.
    inside = tl.sum(here.to(tl.float32), axis=0)
    c0 = tl.sum(x0, axis=0) / inside
    if AXES > 1:
        c1 = tl.sum(x1, axis=0) / inside
    if AXES > 2:
        c2 = tl.sum(x2, axis=0) / inside
    if AXES > 3:
        c3 = tl.sum(x3, axis=0) / inside

    # Not -inf, whose difference from itself is no number.
    top = tl.full([ROWS], -1.0e30, tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    if PULLS:
        s0 = tl.zeros([ROWS], tl.float32)
        s1 = tl.zeros([ROWS], tl.float32)
        s2 = tl.zeros([ROWS], tl.float32)
        s3 = tl.zeros([ROWS], tl.float32)
    for start in range(0, m, COLUMNS):
        column = start + tl.arange(0, COLUMNS)
        there = column < m
        weight = tl.load(h + column, mask=there, other=float("-inf")) / LOG_2
        y0 = tl.load(y + column * AXES, mask=there, other=0.0)
        if AXES > 1:
            y1 = tl.load(y + column * AXES + 1, mask=there, other=0.0)
        if AXES > 2:
            y2 = tl.load(y + column * AXES + 2, mask=there, other=0.0)
        if AXES > 3:
            y3 = tl.load(y + column * AXES + 3, mask=there, other=0.0)
        if TORUS:
            g0 = _gap(x0, y0, tl.load(period))
            square = g0 * g0
            if AXES > 1:
                g1 = _gap(x1, y1, tl.load(period + 1))
                square += g1 * g1
            if AXES > 2:
                g2 = _gap(x2, y2, tl.load(period + 2))
                square += g2 * g2
            if AXES > 3:
                g3 = _gap(x3, y3, tl.load(period + 3))
                square += g3 * g3
            logit = weight[None, :] - scale * square
        else:
            y0 -= c0
            square = y0 * y0
            if AXES > 1:
                y1 -= c1
                square += y1 * y1
            if AXES > 2:
                y2 -= c2
                square += y2 * y2
            if AXES > 3:
                y3 -= c3
                square += y3 * y3
            logit = (weight - scale * square)[None, :]
            logit = logit + (2.0 * scale * (x0 - c0))[:, None] * y0[None, :]
            if AXES > 1:
                logit += (2.0 * scale * (x1 - c1))[:, None] * y1[None, :]
            if AXES > 2:
                logit += (2.0 * scale * (x2 - c2))[:, None] * y2[None, :]
            if AXES > 3:
                logit += (2.0 * scale * (x3 - c3))[:, None] * y3[None, :]
        if OTHERS:
            logit = tl.where(row[:, None] == column[None, :], float("-inf"), logit)
        highest = tl.maximum(top, tl.max(logit, axis=1))
        share = tl.exp2(logit - highest[:, None])
        fade = tl.exp2(top - highest)
        total = total * fade + tl.sum(share, axis=1)
        if PULLS:
            s0 = s0 * fade + tl.sum(share * (g0 if TORUS else y0[None, :]), axis=1)
            if AXES > 1:
                s1 = s1 * fade + tl.sum(share * (g1 if TORUS else y1[None, :]), axis=1)
            if AXES > 2:
                s2 = s2 * fade + tl.sum(share * (g2 if TORUS else y2[None, :]), axis=1)
            if AXES > 3:
                s3 = s3 * fade + tl.sum(share * (g3 if TORUS else y3[None, :]), axis=1)
        top = highest

    log_sum = top + tl.log2(total)
    x0 -= c0
    if AXES > 1:
        x1 -= c1
    if AXES > 2:
        x2 -= c2
    if AXES > 3:
        x3 -= c3
    if not TORUS:
        square = x0 * x0
        if AXES > 1:
            square += x1 * x1
        if AXES > 2:
            square += x2 * x2
        if AXES > 3:
            square += x3 * x3
        log_sum -= scale * square
    tl.store(sums + row, log_sum * LOG_2, mask=here)
    if PULLS:
        tl.store(displacement + row * AXES, s0 / total - (0.0 if TORUS else x0), mask=here)
        if AXES > 1:
            tl.store(displacement + row * AXES + 1, s1 / total - (0.0 if TORUS else x1), mask=here)
        if AXES > 2:
            tl.store(displacement + row * AXES + 2, s2 / total - (0.0 if TORUS else x2), mask=here)
        if AXES > 3:
            tl.store(displacement + row * AXES + 3, s3 / total - (0.0 if TORUS else x3), mask=here)
