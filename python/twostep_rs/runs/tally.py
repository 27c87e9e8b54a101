"""How much an evaluation has to do, and how much of it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.runs.distances import metrics_of
from twostep_rs.runs.references import independent_clouds

if TYPE_CHECKING:
    from collections.abc import Callable

    from twostep_rs.config import EvaluationConfig
    from twostep_rs.systems import System


class Tally:
    """Counts what is done for the progress."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self, count: int = 1) -> None:
        """Count some that are done."""
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


def scores_work(config: EvaluationConfig, system: System, stages: int) -> int:
    """Distances of some stages."""
    return config.references * stages * len(metrics_of(config, system)) * len(config.parameters)


def floor_work(config: EvaluationConfig, system: System) -> int:
    """Simulations and distances of a floor."""
    metrics = metrics_of(config, system)
    clouds = independent_clouds(config) + config.floor_pairs * any(m.paired for m in metrics)
    return (clouds + config.floor_pairs * len(metrics)) * len(config.parameters)
