"""Approximations of W2 squared, beside the exact value: Sinkhorn and sliced.

Nothing else of the package uses them: exact transport of two clouds is fast enough to be the
default everywhere. They are here for comparison, and each knows its bias, which it finds by an
exact solve. They need PyTorch, and run where the points are: on a GPU, or on the CPU.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from twostep_rs._arrays import as_float64, as_points, is_tensor, like
from twostep_rs._scalars import as_integer, as_real
from twostep_rs.errors import InputError, MassError, ShapeError
from twostep_rs.ot.emd import emd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike
    from torch import Tensor

#: Directions that are sorted at a time.
_BASES_AT_A_TIME = 8


class Approximation:
    """An approximate W2 squared that can be held against the exact one.

    Attributes:
        method: what it is, with its settings.
        w2_squared: the approximate value, in units of length squared, for total mass one.
        potentials: of Sinkhorn, ``(f, g)`` of shapes ``(n,)`` and ``(m,)``; None for sliced.
    """

    def __init__(
        self,
        method: str,
        w2_squared: float,
        problem: dict[str, Any],
        potentials: tuple[Any, Any] | None = None,
    ) -> None:
        self.method = method
        self.w2_squared = w2_squared
        self.potentials = potentials
        self._problem = problem

    @property
    def w2(self) -> float:
        """Root of :attr:`w2_squared`."""
        return math.sqrt(max(self.w2_squared, 0.0))

    @cached_property
    def exact(self) -> float:
        """The exact W2 squared of the same problem; solved for when it is first asked for."""
        return emd(**self._problem).cost

    @property
    def bias(self) -> float:
        """``w2_squared - exact``, in units of length squared."""
        return self.w2_squared - self.exact

    def report(self) -> str:
        """One line: the approximate value, the exact one, and the bias."""
        relative = f" ({self.bias / self.exact:+.2%})" if self.exact > 0.0 else ""
        return (
            f"{self.method}: W2 squared {self.w2_squared:.6g}, exactly {self.exact:.6g}, "
            f"bias {self.bias:+.3g}{relative}"
        )

    def __repr__(self) -> str:
        return f"Approximation({self.method!r}, w2_squared={self.w2_squared:.6g})"


def sinkhorn(
    x: ArrayLike,
    y: ArrayLike,
    *,
    epsilon: float = 0.05,
    relative: bool = True,
    debiased: bool = True,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    period: float | Sequence[float] | None = None,
    tolerance: float = 1e-3,
    max_iterations: int = 10_000,
) -> Approximation:
    """Approximate W2 squared by entropic transport, in the log domain and memory O(n + m).

    With ``debiased`` this is the Sinkhorn divergence ``OT(x, y) - (OT(x, x) + OT(y, y)) / 2`` of
    Genevay, Peyré and Cuturi (2018) with Kullback-Leibler entropy, as Feydy et al. (2019) write
    it; otherwise the cost of the entropic plan, which lies above the exact value (Cuturi 2013).

    Args:
        x: sources, ``(n, d)``: float32 tensors are computed in float32, all else in float64.
        y: targets, ``(m, d)``.
        epsilon: strength of the entropy: the smaller, the nearer and the slower.
        relative: epsilon is in units of the mean cost of all pairs, not of length squared.
        debiased: subtract what the entropy costs each cloud with itself.
        a: masses of the sources, ``(n,)``; each side is normalised to total mass one.
        b: masses of the targets, ``(m,)``.
        period: period of every axis (or one for all) where points live on a torus.
        tolerance: sum of the absolute errors of the marginals to end at.
        max_iterations: budget of iterations.

    Returns:
        The approximate value with its potentials; ``bias`` compares it with the exact one.

    Raises:
        InputError: NaN or infinite entries, or numbers out of their range.
        ShapeError: shapes do not fit, or a cloud is empty.
        MassError: masses are negative or vanish.
        ConvergenceError: ``max_iterations`` ran out.

    Example:
        >>> import numpy as np, twostep_rs as ts
        >>> x, y = np.random.default_rng(0).normal(size=(2, 200, 3))
        >>> found = ts.ot.approximate.sinkhorn(x, y)
        >>> 0.0 < found.w2_squared < found.exact < found.w2_squared - 1.01 * found.bias
        True
    """
    import torch

    from twostep_rs.ot import sinkhorn as entropic

    epsilon = as_real("epsilon", epsilon, low=0.0, strict=True)
    tolerance = as_real("tolerance", tolerance, low=0.0, strict=True)
    max_iterations = as_integer("max_iterations", max_iterations, low=1)
    source, target = _clouds(x, y)
    mass_a, mass_b = _masses("a", a, source), _masses("b", b, target)
    lengths = None
    if period is not None:
        lengths = torch.as_tensor(period).to(source).expand(source.shape[1])
        if not bool((lengths > 0.0).all()):
            raise InputError(f"period: expected positive numbers, got {period}")
    options: dict[str, Any] = {
        "period": lengths,
        "tolerance": tolerance,
        "max_iterations": max_iterations,
    }
    with torch.no_grad():
        unit = float(entropic.mean_cost(source, target, mass_a, mass_b, lengths))
        strength = epsilon * (unit or 1.0) if relative else epsilon
        found = entropic.potentials(source, target, mass_a, mass_b, strength, **options)
        if debiased:
            value = mass_a @ found.f + mass_b @ found.g
            for cloud, mass in ((source, mass_a), (target, mass_b)):
                own = entropic.symmetric_potential(cloud, mass, strength, **options)
                value = value - mass @ own.f
        else:
            value = entropic.transport_cost(
                source, target, mass_a, mass_b, strength, found, lengths
            )
    restore = like(x, y)
    kind = "Sinkhorn divergence" if debiased else "Sinkhorn"
    problem = _problem(x, y, mass_a if a is not None else None, mass_b if b is not None else None)
    return Approximation(
        f"{kind}, epsilon {strength:.3g}",
        float(value),
        problem | {"period": period},
        (restore(found.f.cpu().numpy()), restore(found.g.cpu().numpy())),
    )


def sliced(
    x: ArrayLike,
    y: ArrayLike,
    *,
    bases: int = 32,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    seed: int = 0,
) -> Approximation:
    """Bound W2 squared from below by sorting along random directions.

    The directions are those of random orthonormal bases. Along the axes of one basis the exact W2
    squared between projections add up to no more than the exact W2 squared, and to just that where
    one cloud is the other one shifted. Divided by d this is the sliced Wasserstein distance,
    squared (Bonneel, Rabin, Peyré and Pfister 2015), of these directions.

    Args:
        x: points, ``(n, d)``.
        y: points, ``(m, d)``.
        bases: number of random bases, of d directions each.
        a: masses of x, ``(n,)``; each side is normalised to total mass one.
        b: masses of y, ``(m,)``.
        seed: of the bases.

    Returns:
        The mean over the bases; ``bias`` compares it with the exact value, and is negative.

    Raises:
        InputError: NaN or infinite entries, or numbers out of their range.
        ShapeError: shapes do not fit, or a cloud is empty.
        MassError: masses are negative or vanish.

    Example:
        >>> import numpy as np, twostep_rs as ts
        >>> x = np.random.default_rng(0).normal(size=(100, 3))
        >>> round(ts.ot.approximate.sliced(x, x + [1.0, 2.0, 2.0]).w2_squared, 10)
        9.0
    """
    import torch

    bases = as_integer("bases", bases, low=1)
    source, target = _clouds(x, y)
    mass_a, mass_b = _masses("a", a, source), _masses("b", b, target)
    equal = a is None and b is None and len(source) == len(target)
    dim = source.shape[1]
    rng = np.random.Generator(np.random.Philox(as_integer("seed", seed, low=0)))
    total = 0.0
    for start in range(0, bases, _BASES_AT_A_TIME):
        count = min(_BASES_AT_A_TIME, bases - start)
        axes, _ = np.linalg.qr(rng.normal(size=(count, dim, dim)))
        directions = torch.from_numpy(np.concatenate(axes)).to(source)
        with torch.no_grad():
            # Rows are directions, so that each is sorted in one piece.
            p, q = directions @ source.T, directions @ target.T
            if equal:
                squared = (p.sort().values - q.sort().values).square().mean(dim=1)
            else:
                squared = _along_lines(p, q, mass_a, mass_b)
            total += float(squared.sum())
    problem = _problem(x, y, mass_a if a is not None else None, mass_b if b is not None else None)
    return Approximation(f"sliced, {bases} bases", total / bases, problem)


def _along_lines(p: Tensor, q: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """W2 squared between weighted points on lines, ``(k, n)`` and ``(k, m)``: by quantiles."""
    import torch

    (p, order_p), (q, order_q) = p.sort(), q.sort()
    ends_p, ends_q = a[order_p].cumsum(dim=1), b[order_q].cumsum(dim=1)
    ends, _ = torch.cat([ends_p, ends_q], dim=1).sort()
    steps = torch.diff(ends, dim=1, prepend=torch.zeros_like(ends[:, :1]))
    middles = ends - steps / 2
    i, j = (
        torch.searchsorted(side.contiguous(), middles).clamp_(max=side.shape[1] - 1)
        for side in (ends_p, ends_q)
    )
    return (steps * (p.gather(1, i) - q.gather(1, j)).square()).sum(dim=1)


def _clouds(x: ArrayLike, y: ArrayLike) -> tuple[Tensor, Tensor]:
    """Both clouds as finite tensors of one dtype and device: those of the first tensor."""
    import torch

    example = next((points for points in (x, y) if is_tensor(points)), None)
    dtype = getattr(example, "dtype", torch.float64)
    if dtype != torch.float32:
        dtype = torch.float64
    device = getattr(example, "device", "cpu")
    clouds = []
    for name, points in (("x", x), ("y", y)):
        array = as_points(name, points)
        if not np.isfinite(array).all():
            raise InputError(f"{name}: expected finite values, got NaN or infinity")
        clouds.append(torch.from_numpy(array).to(device=device, dtype=dtype))
    if clouds[0].shape[1] != clouds[1].shape[1]:
        raise ShapeError(f"y: expected {clouds[0].shape[1]} axes, got {clouds[1].shape[1]}")
    return clouds[0], clouds[1]


def _masses(name: str, mass: ArrayLike | None, cloud: Tensor) -> Tensor:
    if mass is None:
        return cloud.new_full((len(cloud),), 1.0 / len(cloud))
    array = as_float64(name, mass, 1)
    if array.shape != (len(cloud),):
        raise ShapeError(f"{name}: expected shape ({len(cloud)},), got {array.shape}")
    if not (np.isfinite(array).all() and (array >= 0.0).all() and array.sum() > 0.0):
        raise MassError(f"{name}: expected non-negative finite masses, one positive, got others")
    return cloud.new_tensor(array / array.sum())


def _problem(x: ArrayLike, y: ArrayLike, a: Tensor | None, b: Tensor | None) -> dict[str, Any]:
    """What the exact solver gets; masses are normalised as the approximation's are."""
    totals = {
        name: None if mass is None else mass.double() / mass.double().sum()
        for name, mass in (("a", a), ("b", b))
    }
    return {"x": x, "y": y, **totals}
