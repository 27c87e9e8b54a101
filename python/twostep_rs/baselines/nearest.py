"""The training cloud of the nearest parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.baselines.neighbours import drawn
from twostep_rs.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twostep_rs.baselines.neighbours import Points
    from twostep_rs.systems import Cloud


class NearestCloud:
    """Particles of the training cloud whose parameter is nearest.

    Args:
        clouds: of training, by parameter.

    Raises:
        InputError: there are none.
    """

    def __init__(self, clouds: Mapping[float, Cloud]) -> None:
        if not clouds:
            raise InputError("clouds: expected at least one parameter, got none")
        self._clouds = clouds

    def __call__(self, source: Points, parameter: float, /) -> Points:
        """As many particles as there are in ``source``, (n, d)."""
        nearest = min(self._clouds, key=lambda known: abs(known - parameter))
        return drawn(self._clouds[nearest].target, source)
