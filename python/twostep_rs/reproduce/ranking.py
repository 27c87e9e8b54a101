"""Mean ranks of several methods on several problems, and what difference of them is chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Ranking:
    """Ranks of methods, 1 for the least score.

    Attributes:
        ranks: mean rank by method, from best to worst.
        problems: number of problems.
        critical_difference: two methods of one law differ by more in one of twenty comparisons
            (Nemenyi's test, Demsar 2006); it takes problems that are independent.
    """

    ranks: Mapping[str, float]
    problems: int
    critical_difference: float

    @property
    def tied(self) -> list[str]:
        """The methods that do not differ from the best."""
        best = next(iter(self.ranks.values()))
        return [name for name, rank in self.ranks.items() if rank - best < self.critical_difference]

    @property
    def groups(self) -> list[list[str]]:
        """The largest sets of neighbours that are not told apart: bars of the usual diagram."""
        names, found = list(self.ranks), list[list[str]]()
        for first, name in enumerate(names):
            bound = self.ranks[name] + self.critical_difference
            group = [other for other in names[first:] if self.ranks[other] < bound]
            if not found or group[-1] != found[-1][-1]:
                found.append(group)
        return found


def ranking(scores: Mapping[str, Sequence[float]]) -> Ranking:
    """Rank methods problem by problem; equal scores share the mean of their ranks.

    Args:
        scores: by method, one for each problem; smaller is better.

    Raises:
        ModuleNotFoundError: SciPy is not installed.

    Example:
        >>> found = ranking({"a": [1.0, 1.0, 3.0], "b": [2.0, 2.0, 2.0]})
        >>> {name: round(rank, 2) for name, rank in found.ranks.items()}
        {'a': 1.33, 'b': 1.67}
    """
    from scipy.stats import rankdata, studentized_range

    table = np.array([scores[name] for name in scores])
    means = rankdata(table, axis=0).mean(axis=1)
    methods, problems = table.shape
    quantile = float(studentized_range.ppf(0.95, methods, np.inf)) / math.sqrt(2.0)
    ordered = sorted(zip(scores, means.tolist(), strict=True), key=lambda pair: pair[1])
    return Ranking(
        dict(ordered), problems, quantile * math.sqrt(methods * (methods + 1) / (6.0 * problems))
    )
