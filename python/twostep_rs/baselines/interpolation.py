"""Training clouds on the way from one parameter to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twostep_rs import ot
from twostep_rs.baselines.neighbours import drawn, neighbours

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twostep_rs.baselines.neighbours import Points
    from twostep_rs.systems import Cloud

# Eight times what an evaluation draws; plans of all particles of pooled clouds take far longer.
_MOST_PARTICLES = 160_000


class InterpolatedCloud:
    """Particles on the geodesic between the clouds of two training parameters (McCann 1997).

    Clouds of neighbouring parameters are coupled by an optimal plan; particles move along straight
    lines in proportion to the parameter, and beyond the range of training on along them.

    Args:
        clouds: of training, by parameter, all of one size; 160 000 particles of each are used at
            most, by a random choice.
        period: periods of a torus, one per axis.
        threads: number of threads; the package default if not given.
    """

    def __init__(
        self,
        clouds: Mapping[float, Cloud],
        period: tuple[float, ...] | None = None,
        threads: int | None = None,
    ) -> None:
        self._parameters = sorted(clouds)
        self._targets = [_thinned(clouds[parameter].target) for parameter in self._parameters]
        self._period = None if period is None else np.array(period)
        self._threads = threads
        self._steps: dict[int, Points] = {}

    def __call__(self, source: Points, parameter: float, /) -> Points:
        """As many particles as there are in ``source``, (n, d).

        Raises:
            InputError: there is one parameter alone.
        """
        low, high, weight = neighbours(self._parameters, parameter)
        if low not in self._steps:
            self._steps[low] = self._step(self._targets[low], self._targets[high])
        moved = self._targets[low] + weight * self._steps[low]
        if self._period is not None:
            moved = np.mod(moved, self._period)
        return drawn(moved, source)

    def _step(self, start: Points, end: Points) -> Points:
        """From every particle to its partner."""
        period = None if self._period is None else self._period.tolist()
        plan = ot.emd(start, end, period=period, threads=self._threads)
        step: Points = end[np.asarray(plan.permutation)] - start
        if self._period is not None:
            step = step - self._period * np.round(step / self._period)
        return step


def _thinned(cloud: Points) -> Points:
    """The particles that are used."""
    if len(cloud) <= _MOST_PARTICLES:
        return cloud
    rows = np.random.default_rng(0).choice(len(cloud), _MOST_PARTICLES, replace=False)
    chosen: Points = cloud[np.sort(rows)]
    return chosen
