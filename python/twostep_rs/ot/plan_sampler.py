"""Pairs of minibatches by exact plans, in the place of torchcfm's sampler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from twostep_rs._arrays import is_tensor
from twostep_rs.errors import InputError, ShapeError
from twostep_rs.ot.emd import emd, emd_batch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class OTPlanSampler:
    """Couples minibatches by exact optimal transport, squared Euclidean cost.

    A drop-in for ``torchcfm.optimal_transport.OTPlanSampler("exact")``, whose methods and
    arguments it shares, for batches of as many sources as targets: set ``matcher.ot_sampler`` of a
    matcher to it. A plan between those is a permutation. By default row i of the source stays row
    i and gets its partner, so that every point is used once; torchcfm draws pairs from the plan
    with replacement, which repeats some points and drops others (``replace=True``).

    With ``conditional=True`` points are coupled with points of the same label alone. A plan over
    a batch of several conditions would change the law of the source that each of them is trained
    on.

    Args:
        method: ``exact``, the only one.
        replace: whether pairs are drawn from the plan with replacement.
        conditional: whether only points of one label are coupled.
        seed: of the draws with replacement.
        period: period of every axis (or one for all) where points live on a torus.
        threads: number of threads; the package default if not given.

    Raises:
        InputError: another method.

    Example:
        >>> x0, x1 = np.array([[0.0], [1.0], [2.0]]), np.array([[2.1], [0.1], [1.1]])
        >>> OTPlanSampler().sample_plan(x0, x1)[1].ravel().tolist()
        [0.1, 1.1, 2.1]
    """

    def __init__(
        self,
        method: Literal["exact"] = "exact",
        *,
        replace: bool = False,
        conditional: bool = False,
        seed: int = 0,
        period: float | Sequence[float] | None = None,
        threads: int | None = None,
    ) -> None:
        if method != "exact":
            raise InputError(f"method: expected 'exact', got {method!r}")
        self._replace = replace
        self._conditional = conditional
        self._random = np.random.default_rng(seed)
        self._period = period
        self._threads = threads

    def get_map(self, x0: Any, x1: Any) -> NDArray[np.float64]:
        """The plan as a dense matrix, (n, n), of total mass 1."""
        permutation = self.permutation(x0, x1)
        n = len(permutation)
        dense = np.zeros((n, n))
        dense[np.arange(n), permutation] = 1.0 / n
        return dense

    def permutation(self, x0: Any, x1: Any, y0: Any = None, y1: Any = None) -> NDArray[np.int64]:
        """Row i of ``x0`` goes with row ``permutation[i]`` of ``x1``, (n,).

        Args:
            x0: source points, (n, ...).
            x1: target points, (n, ...), of the same shape.
            y0: labels of the sources, (n, ...): only points of one label are coupled. Where only
                the targets have any, source i takes that of target i.
            y1: labels of the targets, (n, ...).

        Raises:
            ShapeError: shapes do not fit.
            InputError: a label has not as many sources as targets, or values are not finite.
        """
        x, y = _flat("x0", x0), _flat("x1", x1)
        if x.shape != y.shape:
            raise ShapeError(f"x1: expected shape {tuple(x.shape)}, got {tuple(y.shape)}")
        if y1 is None:
            if y0 is not None:
                raise InputError("y1: expected labels beside y0, got None")
            plan = emd(x, y, period=self._period, threads=self._threads)
            return np.asarray(plan.permutation)
        groups = _groups(len(x), y1 if y0 is None else y0, y1)
        plans = emd_batch(
            [x[rows] for rows, _ in groups],
            [y[columns] for _, columns in groups],
            period=self._period,
            threads=self._threads,
        )
        found = np.empty(len(x), dtype=np.int64)
        for (rows, columns), plan in zip(groups, plans, strict=True):
            found[rows] = columns[np.asarray(plan.permutation)]
        return found

    def sample_plan(self, x0: Any, x1: Any, replace: bool | None = None) -> tuple[Any, Any]:
        """Pairs of the plan, as two batches.

        Args:
            x0: source points, (n, ...), a tensor on any device or an array.
            x1: target points, (n, ...), of the same shape and kind.
            replace: as for the class; its choice by default.
        """
        rows, columns = self._pairs(self.permutation(x0, x1), replace)
        return _take(x0, rows), _take(x1, columns)

    def sample_plan_with_labels(
        self, x0: Any, x1: Any, y0: Any = None, y1: Any = None, replace: bool | None = None
    ) -> tuple[Any, Any, Any, Any]:
        """Pairs of the plan, with the labels of their points.

        Args:
            x0: source points, (n, ...).
            x1: target points, (n, ...).
            y0: labels of the sources, (n, ...), or None.
            y1: labels of the targets, (n, ...), or None.
            replace: as for the class; its choice by default.
        """
        labels = (y0, y1) if self._conditional else (None, None)
        rows, columns = self._pairs(self.permutation(x0, x1, *labels), replace)
        return _take(x0, rows), _take(x1, columns), _take(y0, rows), _take(y1, columns)

    def sample_trajectory(self, X: Any) -> Any:
        """Trajectories through populations, each coupled with the next.

        Args:
            X: (n, times, ...).

        Returns:
            The same points, row i of every time the partner of row i before, (n, times, ...).
        """
        index = np.arange(len(X))
        steps = [index]
        for t in range(X.shape[1] - 1):
            index = self.permutation(X[:, t], X[:, t + 1])[index]
            steps.append(index)
        times = np.arange(X.shape[1])
        return X[np.stack(steps, axis=1), times[None, :]]

    def _pairs(
        self, permutation: NDArray[np.int64], replace: bool | None
    ) -> tuple[NDArray[np.int64] | None, NDArray[np.int64]]:
        """Rows of both batches; None for all in their order."""
        if not (self._replace if replace is None else replace):
            return None, permutation
        rows = self._random.integers(len(permutation), size=len(permutation))
        return rows, permutation[rows]


def _flat(name: str, points: Any) -> Any:
    """A batch as points, (n, d), without gradient."""
    if points.ndim < 1 or not len(points):
        raise ShapeError(f"{name}: expected shape (n, ...), got {tuple(points.shape)}")
    points = points.detach() if is_tensor(points) else points
    return points.reshape(len(points), -1)


def _groups(n: int, y0: Any, y1: Any) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows of sources and of targets that share a label."""
    labels = []
    for name, given in (("y0", y0), ("y1", y1)):
        values = given.detach().cpu().numpy() if is_tensor(given) else np.asarray(given)
        if values.ndim < 1 or len(values) != n:
            raise ShapeError(f"{name}: expected shape ({n}, ...), got {values.shape}")
        labels.append(values.reshape(n, -1))
    _, found = np.unique(np.concatenate(labels), axis=0, return_inverse=True)
    sources, targets = found.reshape(2, n)
    pairs = []
    for label in range(found.max() + 1):
        rows, columns = np.flatnonzero(sources == label), np.flatnonzero(targets == label)
        if len(rows) != len(columns):
            raise InputError(
                f"y0: expected as many sources as targets of every label, got {len(rows)} and "
                f"{len(columns)} of one"
            )
        pairs.append((rows, columns))
    return pairs


def _take(values: Any, rows: NDArray[np.int64] | None) -> Any:
    if values is None or rows is None:
        return values
    if not is_tensor(values):
        return values[rows]
    import torch

    return values[torch.from_numpy(rows).to(values.device)]
