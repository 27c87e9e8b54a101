"""The sums of :mod:`twostep_rs.ot.log_sums` as one kernel, in Triton, in float32.

A program holds some points in each thread of a warp, and runs over all partners with the running
maximum of a stable log-sum-exp (as attention does: Dao et al. 2022). Its warps hold the same points
and share the partners between them; each thread keeps sums of its own, and they meet once, at the
end: within the loop no thread waits for another.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
import triton
import triton.language as tl

if TYPE_CHECKING:
    from torch import Tensor

_LOG_2 = math.log(2.0)
#: A float32 from here on is a whole number, and for some way.
_ROUNDING = 1.5 * 2.0**23


class Blocks(NamedTuple):
    """How a problem is divided.

    Attributes:
        points: of each thread; all warps of a program hold the same.
        columns: partners that a thread takes at a time.
        warps: of a program, among which partners are divided.
    """

    points: int
    columns: int
    warps: int


#: Threads of a warp.
_LANES = 32
#: By the largest number of points: few take many warps each to fill a GPU.
_BLOCKS = ((2**12, Blocks(1, 16, 16)), (2**15, Blocks(1, 16, 8)), (math.inf, Blocks(4, 8, 8)))


def log_sums(
    x: Tensor,
    y: Tensor,
    h: Tensor,
    rate: Tensor,
    *,
    period: Tensor | None,
    others: bool,
    masses: Tensor | None = None,
) -> Tensor:
    """As :func:`twostep_rs.ot.log_sums.log_sums`."""
    sums, _ = run(x, y, h, rate, period, others=others, pulls=False, masses=masses)
    return sums


def pull(
    x: Tensor, y: Tensor, h: Tensor, rate: Tensor, *, period: Tensor | None, others: bool
) -> tuple[Tensor, Tensor]:
    """As :func:`twostep_rs.ot.log_sums.pull`."""
    sums, displacement = run(x, y, h, rate, period, others=others, pulls=True)
    return displacement, sums


def run(
    x: Tensor,
    y: Tensor,
    h: Tensor,
    rate: Tensor,
    period: Tensor | None,
    *,
    others: bool,
    pulls: bool,
    masses: Tensor | None = None,
    blocks: Blocks | None = None,
) -> tuple[Tensor, Tensor]:
    """The sums, and where ``pulls`` the displacements (the sums again otherwise).

    Args:
        x: as for :func:`twostep_rs.ot.log_sums.log_sums`.
        y: likewise.
        h: likewise.
        rate: likewise.
        period: likewise.
        others: likewise.
        pulls: whether displacements are wanted.
        masses: as for :func:`twostep_rs.ot.log_sums.log_sums`.
        blocks: how to divide the work; by the number of points by default.
    """
    problems, n, axes = x.shape
    sums = x.new_empty(problems, n)
    displacement = torch.empty_like(x, memory_format=torch.contiguous_format) if pulls else sums
    if blocks is None:
        blocks = next(found for most, found in _BLOCKS if problems * n <= most)
    # Triton launches on the current device, which may be another one.
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        _kernel[(triton.cdiv(n, blocks.points * _LANES), problems)](
            # Axis by axis, so that partners are loaded by fours.
            x.mT.contiguous(),
            y.mT.contiguous(),
            h.contiguous(),
            rate.contiguous(),
            rate if period is None else period,
            rate if masses is None else masses.contiguous(),
            sums,
            displacement,
            n,
            y.shape[1],
            AXES=axes,
            TORUS=period is not None,
            OTHERS=others,
            PULLS=pulls,
            BALANCED=masses is not None,
            POINTS=blocks.points,
            COLUMNS=blocks.columns,
            SHARES=blocks.warps,
            LANES=_LANES,
            LOG_2=_LOG_2,
            num_warps=blocks.warps,
        )
    return sums, displacement


@triton.jit
def _gap(x, y, period, axis: tl.constexpr, TORUS: tl.constexpr, ROUNDING: tl.constexpr = _ROUNDING):
    """Ways from x to y along one axis; on a circle the shortest."""
    gap = y[None, :, :, None] - x[:, None, None, :]
    if TORUS:
        length = tl.load(period + axis)
        # The sum has no bits for fractions: a rounding without its slow instruction.
        gap -= length * ((gap * (1.0 / length) + ROUNDING) - ROUNDING)
    return gap


@triton.jit
def _load(pointer, place, there, MASKED: tl.constexpr, other: tl.constexpr):
    if MASKED:
        return tl.load(pointer + place, mask=there, other=other)
    return tl.load(pointer + place)


@triton.jit
def _added(
    top,
    total,
    s0,
    s1,
    s2,
    s3,
    row,
    x0,
    x1,
    x2,
    x3,
    column,
    y,
    h,
    scale,
    period,
    m,
    AXES: tl.constexpr,
    TORUS: tl.constexpr,
    OTHERS: tl.constexpr,
    PULLS: tl.constexpr,
    MASKED: tl.constexpr,
    LOG_2: tl.constexpr,
):
    """The running maximum and the sums relative to it, with some more partners."""
    there = column < m
    weight = _load(h, column, there, MASKED, float("-inf")) / LOG_2
    g0 = _gap(x0, _load(y, column, there, MASKED, 0.0), period, 0, TORUS)
    square = g0 * g0
    if AXES > 1:
        g1 = _gap(x1, _load(y + m, column, there, MASKED, 0.0), period, 1, TORUS)
        square += g1 * g1
    if AXES > 2:
        g2 = _gap(x2, _load(y + 2 * m, column, there, MASKED, 0.0), period, 2, TORUS)
        square += g2 * g2
    if AXES > 3:
        g3 = _gap(x3, _load(y + 3 * m, column, there, MASKED, 0.0), period, 3, TORUS)
        square += g3 * g3
    logit = weight[None, :, :, None] - scale * square
    if OTHERS:
        itself = row[:, None, None, :] == column[None, :, :, None]
        logit = tl.where(itself, float("-inf"), logit)
    highest = tl.maximum(top, tl.max(logit, axis=1))
    share = tl.exp2(logit - highest[:, None, :, :])
    fade = tl.exp2(top - highest)
    total = total * fade + tl.sum(share, axis=1)
    if PULLS:
        s0 = s0 * fade + tl.sum(share * g0, axis=1)
        if AXES > 1:
            s1 = s1 * fade + tl.sum(share * g1, axis=1)
        if AXES > 2:
            s2 = s2 * fade + tl.sum(share * g2, axis=1)
        if AXES > 3:
            s3 = s3 * fade + tl.sum(share * g3, axis=1)
    return highest, total, s0, s1, s2, s3


@triton.jit
def _kernel(
    x,
    y,
    h,
    rate,
    period,
    masses,
    sums,
    displacement,
    n,
    m,
    AXES: tl.constexpr,
    TORUS: tl.constexpr,
    OTHERS: tl.constexpr,
    PULLS: tl.constexpr,
    BALANCED: tl.constexpr,
    POINTS: tl.constexpr,
    COLUMNS: tl.constexpr,
    SHARES: tl.constexpr,
    LANES: tl.constexpr,
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
    # Tensors of pairs are (points, columns, shares, lanes): of the layout that Triton gives them
    # the last axis goes to the lanes of a warp, the one before to warps, and columns stay within a
    # thread, whose sums take no other.
    first = tl.program_id(0) * POINTS * LANES
    row = first + LANES * tl.arange(0, POINTS)[:, None] + tl.arange(0, LANES)[None, :]
    here = row < n
    x0 = tl.load(x + row, mask=here, other=0.0)
    x1 = tl.load(x + n + row, mask=here, other=0.0) if AXES > 1 else x0
    x2 = tl.load(x + 2 * n + row, mask=here, other=0.0) if AXES > 2 else x0
    x3 = tl.load(x + 3 * n + row, mask=here, other=0.0) if AXES > 3 else x0

    # Not -inf, whose difference from itself is no number.
    top = tl.full([POINTS, SHARES, LANES], -1.0e30, tl.float32)
    total = tl.zeros([POINTS, SHARES, LANES], tl.float32)
    s0 = total
    s1 = total
    s2 = total
    s3 = total
    taken: tl.constexpr = COLUMNS * SHARES
    place = tl.arange(0, COLUMNS)[:, None] + COLUMNS * tl.arange(0, SHARES)[None, :]
    whole = m // taken * taken
    for start in range(0, whole, taken):
        top, total, s0, s1, s2, s3 = _added(
            top, total, s0, s1, s2, s3, row, x0, x1, x2, x3, start + place, y, h, scale, period, m,
            AXES, TORUS, OTHERS, PULLS, False, LOG_2,
        )  # fmt: skip
    if whole < m:
        top, total, s0, s1, s2, s3 = _added(
            top, total, s0, s1, s2, s3, row, x0, x1, x2, x3, whole + place, y, h, scale, period, m,
            AXES, TORUS, OTHERS, PULLS, True, LOG_2,
        )  # fmt: skip

    highest = tl.max(top, axis=1)
    fade = tl.exp2(top - highest[:, None, :])
    mass = tl.sum(total * fade, axis=1)
    log_sum = (highest + tl.log2(mass)) * LOG_2
    if BALANCED:
        log_sum = tl.load(masses + problem * n + row, mask=here, other=0.0) - log_sum
    tl.store(sums + row, log_sum, mask=here)
    if PULLS:
        tl.store(displacement + row * AXES, tl.sum(s0 * fade, axis=1) / mass, mask=here)
        if AXES > 1:
            tl.store(displacement + row * AXES + 1, tl.sum(s1 * fade, axis=1) / mass, mask=here)
        if AXES > 2:
            tl.store(displacement + row * AXES + 2, tl.sum(s2 * fade, axis=1) / mass, mask=here)
        if AXES > 3:
            tl.store(displacement + row * AXES + 3, tl.sum(s3 * fade, axis=1) / mass, mask=here)
