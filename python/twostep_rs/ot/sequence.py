"""Couplings of a cloud that drifts: each solve starts from the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.ot.emd import emd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from twostep_rs.ot.emd import Metric
    from twostep_rs.ot.plan import Plan


class EmdSequence:
    """Transport of a drifting cloud to a target that stays, or drifts too.

    Every call solves one problem exactly, from the tree, duals and candidate arcs of the last
    one where the points have moved little, and from nothing where that is cheaper.

    Args:
        y: targets, ``(m, d)``.
        a: masses of the sources, ``(n,)``; equal masses by default.
        b: masses of the targets, ``(m,)``; equal masses by default.
        metric: as for :func:`twostep_rs.ot.emd`.
        period: as for :func:`twostep_rs.ot.emd`.
        threads: number of threads; the package default if not given.

    Attributes:
        plan: the plan of the last call; None before the first one.

    Example:
        >>> import numpy as np, twostep_rs as ts
        >>> rng = np.random.default_rng(0)
        >>> x, y = rng.normal(size=(2, 300, 3))
        >>> solve = ts.ot.EmdSequence(y)
        >>> [solve(x + 1e-3 * step).warm for step in range(3)]
        [False, True, True]
    """

    def __init__(
        self,
        y: ArrayLike,
        *,
        a: ArrayLike | None = None,
        b: ArrayLike | None = None,
        metric: Metric = "sqeuclidean",
        period: float | Sequence[float] | None = None,
        threads: int | None = None,
    ) -> None:
        self.y = y
        self.a = a
        self.b = b
        self.metric: Metric = metric
        self.period = period
        self.threads = threads
        self.plan: Plan | None = None

    def __call__(self, x: ArrayLike, y: ArrayLike | None = None) -> Plan:
        """Solve for sources ``x``, and for new targets ``y`` if given.

        Args:
            x: sources, ``(n, d)``.
            y: targets, ``(m, d)``, from now on; those of the last call by default.

        Returns:
            The plan; ``plan.warm`` says where it started.

        Raises:
            InputError: as for :func:`twostep_rs.ot.emd`. The last plan is kept.
        """
        targets = self.y if y is None else y
        plan = emd(
            x,
            targets,
            a=self.a,
            b=self.b,
            metric=self.metric,
            period=self.period,
            warm_start=self.plan,
            threads=self.threads,
        )
        self.y, self.plan = targets, plan
        return plan
