"""Scores of several seeds as one."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twostep_rs.runs.table import Kind, plus_minus, select

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from twostep_rs.runs.evaluation import Row


@dataclass(frozen=True)
class Score:
    """W2 squared of one stage at one parameter.

    Attributes:
        value: mean over the seeds of training.
        error: its standard error: over seeds, or over the references of a single one.
        floor: mean of the sampling floor.
        floor_error: its standard error.
        training_range: whether the parameter lies between those of training.
    """

    value: float
    error: float
    floor: float
    floor_error: float
    training_range: bool

    @property
    def ratio(self) -> float:
        """Multiple of the floor."""
        return self.value / self.floor

    @property
    def ratio_error(self) -> float:
        """Standard error of :attr:`ratio`, by linear propagation of both errors."""
        return self.ratio * math.hypot(self.error / self.value, self.floor_error / self.floor)

    @property
    def ratio_text(self) -> str:
        """The ratio and its error, as tables have it."""
        return f"{self.ratio:.2f} ± {self.ratio_error:.2f}"

    @property
    def excess(self) -> float:
        """What it is above the floor."""
        return self.value - self.floor

    @property
    def excess_error(self) -> float:
        """Standard error of :attr:`excess`."""
        return math.hypot(self.error, self.floor_error)

    def __str__(self) -> str:
        return plus_minus(self.value, self.error)


Curve = dict[float, Score]
"""Scores by parameter."""


def curve(seeds: Sequence[Iterable[Row]], kind: Kind, stage: int) -> Curve:
    """Scores of a stage by one metric, from the rows of every seed.

    Floors of independent references are averaged as scores are; one that seeds share counts once.
    """
    by_parameter: dict[float, list[Row]] = {}
    for rows in seeds:
        for parameter, stages in select(rows, kind).items():
            by_parameter.setdefault(parameter, []).append(stages[stage])
    return {parameter: _score(rows) for parameter, rows in by_parameter.items()}


def ratio_at(scores: Curve, parameter: float) -> str:
    """The ratio at a parameter, as tables have it; a method without scores has diverged."""
    return scores[parameter].ratio_text if parameter in scores else "diverged"


def mean_rows(seeds: Sequence[Iterable[Row]]) -> list[Row]:
    """Rows whose figures are means over the seeds, with their standard errors."""
    groups: dict[tuple[object, ...], list[Row]] = {}
    for rows in seeds:
        for row in rows:
            key = (row.method, row.stage, row.parameter, row.metric, row.box)
            groups.setdefault(key, []).append(row)
    found = []
    for group in groups.values():
        score = _score(group)
        found.append(
            dataclasses.replace(
                group[0],
                w2_squared=score.value,
                standard_error=score.error,
                floor=score.floor,
                floor_standard_error=score.floor_error,
            )
        )
    return found


def mean_ratio(scores: Curve, *, inside: bool) -> tuple[float, float]:
    """Mean ratio to the floor inside the range of training or beyond it, and its standard error.

    Parameters share no reference, so that their errors are independent but for the network's.

    Example:
        >>> scores = {20.0: Score(2.0, 0.1, 1.0, 0.0, True), 40.0: Score(4.0, 0.1, 1.0, 0.0, True)}
        >>> mean_ratio(scores, inside=True)[0]
        3.0
    """
    chosen = [score for score in scores.values() if score.training_range == inside]
    if not chosen:
        return math.nan, math.nan
    mean = sum(score.ratio for score in chosen) / len(chosen)
    return mean, math.hypot(*(score.ratio_error for score in chosen)) / len(chosen)


def lower(one: Curve, other: Curve) -> list[float]:
    """Parameters at which the first is below the second, errors aside."""
    return [p for p, score in one.items() if p in other and score.value < other[p].value]


def numbers(curves: Mapping[str, Curve]) -> dict[str, list[dict[str, float | bool]]]:
    """Curves as JSON holds them, a row for every parameter."""
    return {
        name: [
            {
                "parameter": parameter,
                "w2_squared": score.value,
                "standard_error": score.error,
                "floor": score.floor,
                "floor_standard_error": score.floor_error,
                "training_range": score.training_range,
            }
            for parameter, score in found.items()
        ]
        for name, found in curves.items()
    }


def _score(rows: Sequence[Row]) -> Score:
    value, error = _mean([(row.w2_squared, row.standard_error) for row in rows])
    floors = dict.fromkeys((row.floor, row.floor_standard_error) for row in rows)
    floor, floor_error = _mean(list(floors))
    return Score(value, error, floor, floor_error, rows[0].training_range)


def _mean(figures: Sequence[tuple[float, float]]) -> tuple[float, float]:
    if len(figures) == 1:
        return figures[0]
    values = [value for value, _ in figures]
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values)))
