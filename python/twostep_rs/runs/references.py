"""References of an evaluation, drawn where a distance that is not known asks for them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.errors import ConfigError
from twostep_rs.runs.solver import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.config import EvaluationConfig
    from twostep_rs.runs.distances import Metric, Pair, Points
    from twostep_rs.runs.solver import Solver
    from twostep_rs.runs.tally import Tally
    from twostep_rs.systems import Cloud, System

# More clouds per parameter than any evaluation draws; keeps the seeds of parameters apart.
CLOUDS_PER_PARAMETER = 2**14


@dataclass(frozen=True)
class References:
    """What the stages are compared with.

    Attributes:
        references: independent clouds at every parameter, in their order, one a comparison.
        sources: where their particles began, where a metric asks for it.
    """

    references: Sequence[Sequence[Points]]
    sources: Sequence[Sequence[Points]]


def independent_clouds(config: EvaluationConfig) -> int:
    """Independent references per parameter."""
    return max(2 * config.floor_pairs, config.references)


def begin_floor(
    system: System,
    config: EvaluationConfig,
    metrics: Sequence[Metric],
    seed: int,
    solver: Solver,
    *,
    role: str = "floor",
) -> References:
    """Have the distances of disjoint pairs of references found, those that are not known.

    Args:
        system: what the clouds are drawn from.
        config: what to measure.
        metrics: how.
        seed: seed of the run.
        solver: gets the pairs.
        role: of the distances.

    Returns:
        The references that stages are compared with; of a floor alone.

    Raises:
        ConfigError: a metric wants pairs, and the clouds are not paired.
    """
    paired = any(metric.paired for metric in metrics)
    references, sources = [], []
    for index, parameter in enumerate(config.parameters):
        drawn = _Drawn(system, config, parameter, index, seed, solver.tally)
        for pair in range(config.floor_pairs):
            for metric in metrics:
                clouds = drawn.twins if metric.paired else drawn.pair
                key = key_of(metric, parameter, role, pair)
                solver.add(key, metric, functools.partial(clouds, pair))
        if role == "floor":
            kept = [drawn.cloud(k) for k in range(config.references)]
            references.append([cloud.target for cloud in kept])
            sources.append([cloud.source for cloud in kept] if paired else [])
        drawn.close(independent_clouds(config) + config.floor_pairs * paired)
    return References(references, sources)


class _Drawn:
    """Clouds at one parameter, each drawn when it is first asked for."""

    def __init__(
        self,
        system: System,
        config: EvaluationConfig,
        parameter: float,
        index: int,
        seed: int,
        tally: Tally,
    ) -> None:
        self._system, self._config, self._parameter = system, config, parameter
        self._first, self._seed, self._tally = index * CLOUDS_PER_PARAMETER, seed, tally
        self._clouds: dict[int, Cloud] = {}

    def pair(self, number: int) -> Pair:
        """Two independent clouds, which are in no other pair."""
        return self.cloud(2 * number).target, self.cloud(2 * number + 1).target

    def twins(self, number: int) -> Pair:
        """Two clouds from the same source particles."""
        cloud = self.cloud(number)
        if not cloud.paired:
            raise ConfigError(
                "evaluation.metrics: expected no 'subsample_paired' where source particles have "
                "no targets of their own"
            )
        again = independent_clouds(self._config) + number
        return cloud.target, self.cloud(again, cloud.source).target

    def cloud(self, number: int, source: Points | None = None) -> Cloud:
        """One of them, from particles of its own or from ``source``."""
        if number not in self._clouds:
            seed = cloud_seed(self._seed, Purpose.REFERENCE, self._first + number)
            self._clouds[number] = self._system.simulate(
                self._parameter, self._config.particles, seed, source
            )
            self._tally()
        return self._clouds[number]

    def close(self, expected: int) -> None:
        """Count those that nobody asked for."""
        self._tally(expected - len(self._clouds))
