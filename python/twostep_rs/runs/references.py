"""References of an evaluation, drawn where a distance that is not known asks for them."""

from __future__ import annotations

import functools
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.errors import ConfigError
from twostep_rs.runs.solver import key_of
from twostep_rs.systems import ConcurrentSystem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twostep_rs.config import EvaluationConfig
    from twostep_rs.runs.distances import Metric, Pair, Points
    from twostep_rs.runs.solver import Solver
    from twostep_rs.systems import Cloud, System

# More clouds per parameter than any evaluation draws; keeps the seeds of parameters apart.
CLOUDS_PER_PARAMETER = 2**14

# Parameters whose clouds are drawn at once: enough for many threads, and few for a kill to cost.
_AHEAD = 3


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
    kept = range(config.references if role == "floor" else 0)
    drawn = [
        _Drawn(system, config, parameter, index, seed, solver)
        for index, parameter in enumerate(config.parameters)
    ]
    for index, clouds in enumerate(drawn):
        for later in drawn[index : index + _AHEAD]:
            later.request(metrics, role, kept)
        clouds.compare(metrics, role)
    paired = any(metric.paired for metric in metrics)
    references = [[clouds.cloud(number) for number in kept] for clouds in drawn]
    for clouds in drawn:
        clouds.close(independent_clouds(config) + config.floor_pairs * paired)
    return References(
        [[cloud.target for cloud in clouds] for clouds in references],
        [[cloud.source for cloud in clouds] if paired else [] for clouds in references],
    )


class _Drawn:
    """Clouds at one parameter, each drawn when it is first asked for, or by a thread before."""

    def __init__(
        self,
        system: System,
        config: EvaluationConfig,
        parameter: float,
        index: int,
        seed: int,
        solver: Solver,
    ) -> None:
        self._system, self._config, self._parameter = system, config, parameter
        self._first, self._seed, self._solver = index * CLOUDS_PER_PARAMETER, seed, solver
        self._requested: set[int] = set()
        self._clouds: dict[int, Cloud] = {}

    def request(self, metrics: Sequence[Metric], role: str, kept: Iterable[int]) -> None:
        """Let threads draw what will be asked for, where they can."""
        if self._requested or not isinstance(self._system, ConcurrentSystem):
            return
        numbers = list(kept)
        for pair in range(self._config.floor_pairs):
            keys = (key_of(m, self._parameter, role, pair) for m in metrics if not m.paired)
            if any(key not in self._solver.found for key in keys):
                numbers += [2 * pair, 2 * pair + 1]
        self._requested = set(numbers)
        # The first one is drawn here: it may have to find the law, which is there for others then.
        for number in list(dict.fromkeys(numbers))[1:]:
            if not self._clouds:
                self.cloud(numbers[0])
            draw = functools.partial(self._system.simulate, threads=1, progress=self._look)
            cloud = functools.partial(draw, *self._arguments(number))
            self._solver.draw(cloud, functools.partial(self._arrived, number))

    def compare(self, metrics: Sequence[Metric], role: str) -> None:
        """Have the distances of all pairs found."""
        for pair in range(self._config.floor_pairs):
            for metric in metrics:
                clouds = self.twins if metric.paired else self.pair
                key = key_of(metric, self._parameter, role, pair)
                self._solver.add(key, metric, functools.partial(clouds, pair))

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
        if number in self._clouds:
            return self._clouds[number]
        if number in self._requested and self._clouds:
            while number not in self._clouds:
                self._solver.attend()
        else:
            self._arrived(number, self._system.simulate(*self._arguments(number), source))
        return self._clouds[number]

    def close(self, expected: int) -> None:
        """Count those that nobody asked for."""
        self._solver.tally(expected - len(self._clouds))

    def _arguments(self, number: int) -> tuple[float, int, int]:
        seed = cloud_seed(self._seed, Purpose.REFERENCE, self._first + number)
        return self._parameter, self._config.particles, seed

    def _arrived(self, number: int, cloud: Cloud) -> None:
        self._clouds[number] = cloud
        self._solver.tally()

    def _look(self, done: int, total: int) -> None:
        if self._solver.stopped.is_set():
            raise CancelledError
