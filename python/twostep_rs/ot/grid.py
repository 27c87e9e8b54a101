"""Exact Wasserstein-2 distance between two weighted grids."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from twostep_rs import _core
from twostep_rs._arrays import is_tensor
from twostep_rs._scalars import as_threads
from twostep_rs.errors import DtypeError, InputError, ShapeError
from twostep_rs.ot.memory import check_grids_fit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from numpy.typing import ArrayLike, NDArray

#: Axes that a grid may have here.
_MAX_DIM = 4


class GridW2:
    """Distance between two weighted grids, with its plan and its proof.

    Where all cells are cubes, costs are whole numbers and the optimum is an equality: ``gap`` is
    zero, ``max_violation`` is not positive, and :attr:`in_cells` is the distance as a fraction.
    Where widths differ, costs are rounded to 44 bits first (to fewer beyond 130 000 occupied
    cells): by at most ``cost_rounding``, 2.3e-13 of ``cost_scale``.

    Attributes:
        w2_squared: W2 squared, in units of length squared.
        low: lower ends of the box, one per axis.
        high: upper ends of the box, one per axis.
        bins: cells per axis.
        occupied: cells with mass, of both sides.
        gap: distance of the cost of the plan to the dual value, which bounds it from below.
        max_violation: largest ``u_i + v_j - c_ij`` over all pairs of occupied cells.
        marginal_residual: largest difference of a marginal of the plan.
        cost_scale: the largest cost that two cells can have: what "small" refers to.
        cost_rounding: bound of the rounding of a cost before the problem is solved.
        pivots: pivots of the simplex.
        warm: whether a warm start was used.
    """

    def __init__(self, raw: _core.RawGridPlan, bins: Sequence[int]) -> None:
        self._raw = raw
        self.w2_squared = raw.w2_squared
        self.low = tuple(raw.low)
        self.high = tuple(raw.high)
        self.bins = tuple(bins)
        self.occupied = raw.occupied
        self.gap = raw.gap
        self.max_violation = raw.max_violation
        self.marginal_residual = raw.marginal_residual
        self.cost_scale = raw.cost_scale
        self.cost_rounding = raw.cost_rounding
        self.pivots = raw.pivots
        self.warm = raw.warm

    @property
    def w2(self) -> float:
        """Root of :attr:`w2_squared`."""
        return math.sqrt(max(self.w2_squared, 0.0))

    @property
    def in_cells(self) -> Fraction | None:
        """W2 squared in units of the squared width of a cell, exact; None where widths differ."""
        from fractions import Fraction

        cost_and_mass = self._raw.in_cells
        return None if cost_and_mass is None else Fraction(*cost_and_mass)

    @cached_property
    def plan(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Flat (row-major) cells of source and target, and mass, of every entry of the plan."""
        return self._raw.entries()

    @cached_property
    def potentials(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Duals of both sides as arrays of shape ``bins``; NaN where there is no mass."""
        cells_u, u, cells_v, v = self._raw.potentials()
        duals = []
        for cells, values in ((cells_u, u), (cells_v, v)):
            dense = np.full(math.prod(self.bins), np.nan)
            dense[cells] = values
            duals.append(dense.reshape(self.bins))
        return duals[0], duals[1]

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(w2_squared={self.w2_squared:.12g}, bins={self.bins}, "
            f"occupied={self.occupied}, gap={self.gap:.1e}, "
            f"max_violation={self.max_violation:.1e}, warm={self.warm})"
        )


def grid_w2(
    a: ArrayLike,
    b: ArrayLike,
    *,
    widths: float | Sequence[float] | None = None,
    box: ArrayLike | None = None,
    period: float | Sequence[float] | None = None,
    warm_start: GridW2 | None = None,
    threads: int | None = None,
) -> GridW2:
    """Measure the exact W2 between two arrays of weights on one grid.

    The mass of a cell sits at its centre; cells without mass take no part, and each side is
    normalised to total mass one. Integer weights are used as they are, whatever their dtype, and
    between cubic cells the result is then exact, without rounding (``in_cells``).

    Args:
        a: weights of the cells, an array with 1 to 4 axes.
        b: weights of the same shape.
        widths: width of the cells, one number or one per axis; 1 by default.
        box: ends of the grid instead, ``(d, 2)``.
        period: periods of a torus instead, one number or ``d``.
        warm_start: result of an earlier problem on the same grid whose weights were like these;
            one of another grid is left alone.
        threads: number of threads; the package default if not given.

    Returns:
        The distance with plan and certificate.

    Raises:
        ShapeError: the shapes differ, or have no or more than four axes.
        MassError: a weight is negative, or a side has none.
        InputError: NaN or infinite weights, more than one of widths, box and period, or a grid that
            needs more memory than the machine has.

    Example:
        >>> import numpy as np, twostep_rs as ts
        >>> a, b = np.zeros((2, 5, 5))
        >>> a[0, 0], b[1, 4] = 3, 2
        >>> ts.ot.grid_w2(a, b).w2_squared, ts.ot.grid_w2(a, b, period=5.0).w2_squared
        (17.0, 2.0)
    """
    check_grids_fit(a, b)
    x, y = _weights("a", a), _weights("b", b)
    if x.shape != y.shape:
        raise ShapeError(f"b: expected shape {x.shape}, like a, got {y.shape}")
    if sum(choice is not None for choice in (widths, box, period)) > 1:
        raise InputError("widths, box, period: expected one of them at most, got several")
    raw = _core.grid_w2(
        x.ravel(),
        y.ravel(),
        x.shape,
        ends_of(box, x.ndim) if box is not None else _ends_of_widths(widths, x.shape),
        None if period is None else per_axis("period", period, x.ndim),
        raw_of("warm_start", warm_start, GridW2),
        as_threads(threads),
    )
    return GridW2(raw, x.shape)


def per_axis(name: str, values: float | Sequence[float], dim: int) -> list[float]:
    """One number for every axis."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape not in ((), (dim,)):
        raise InputError(f"{name}: expected one number or {dim}, got shape {array.shape}")
    return [float(value) for value in np.broadcast_to(array, (dim,))]


def ends_of(box: ArrayLike, dim: int) -> tuple[list[float], list[float]]:
    """Lower and upper ends of a box."""
    ends = np.asarray(box, dtype=np.float64)
    if ends.shape != (dim, 2):
        raise ShapeError(f"box: expected ends of shape ({dim}, 2), got {ends.shape}")
    return ends[:, 0].tolist(), ends[:, 1].tolist()


Result = TypeVar("Result", bound=GridW2)


def raw_of(name: str, earlier: Result | None, kind: type[Result]) -> _core.RawGridPlan | None:
    """What the core needs of an earlier result."""
    if earlier is None:
        return None
    if not isinstance(earlier, kind):
        raise DtypeError(f"{name}: expected a {kind.__name__}, got {type(earlier).__name__}")
    return earlier._raw  # noqa: SLF001


def _weights(name: str, weights: Any) -> NDArray[np.float64]:
    if is_tensor(weights):
        weights = weights.detach().cpu().numpy()
    array = np.asarray(weights)
    if array.dtype.kind not in "fiub":
        raise DtypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if not 1 <= array.ndim <= _MAX_DIM or array.size == 0:
        raise ShapeError(
            f"{name}: expected 1 to {_MAX_DIM} axes with at least one cell, got {array.shape}"
        )
    return np.ascontiguousarray(array, dtype=np.float64)


def _ends_of_widths(
    widths: float | Sequence[float] | None, bins: tuple[int, ...]
) -> tuple[list[float], list[float]]:
    steps = per_axis("widths", 1.0 if widths is None else widths, len(bins))
    if not all(math.isfinite(step) and step > 0.0 for step in steps):
        raise InputError(f"widths: expected positive numbers, got {widths}")
    ends = [step * count for step, count in zip(steps, bins, strict=True)]
    return [0.0] * len(bins), ends
