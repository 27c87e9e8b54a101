"""Distances of many pairs of clouds, one to a thread."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from queue import PriorityQueue
from typing import TYPE_CHECKING

from twostep_rs.runs.distance_log import Key
from twostep_rs.runs.distances import KnownLaw, distance, seen
from twostep_rs.threads import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from types import TracebackType

    from twostep_rs.config import EvaluationConfig
    from twostep_rs.runs.distance_log import DistanceLog
    from twostep_rs.runs.distances import Metric, Pair, Points
    from twostep_rs.runs.tally import Tally
    from twostep_rs.systems import System

    # Negative size, and order of arrival among equals: the smallest entry is the largest problem.
    Entry = tuple[int, int, Key, Metric, Pair]

# How long one of them takes, in an order; others take less than these.
_SIZE = {"exact": 3, "masses": 2, "histogram": 1}


def key_of(metric: Metric, parameter: float, role: str, pair: int, stage: int | None = None) -> Key:
    """The key of a distance by a metric."""
    return Key(metric.name, metric.box, parameter, role, stage, pair)


class Solver(AbstractContextManager["Solver"]):
    """Solves what it is given while more is prepared, the largest problem first.

    A thread takes one problem at a time. Beginning with the largest, none is left alone with one
    of them at the end.

    Attributes:
        found: W2 squared by key: of the log at first, of everything after :meth:`finish`.
        tally: counts them.
    """

    def __init__(
        self,
        config: EvaluationConfig,
        system: System,
        threads: int | None,
        tally: Tally,
        log: DistanceLog | None,
    ) -> None:
        self.found: dict[Key, float] = {} if log is None else log.read()
        self.tally = tally
        self._config, self._system, self._log = config, system, log
        self._masses: dict[tuple[Metric, float], Points] = {}
        self._pool = ThreadPoolExecutor(get_num_threads() if threads is None else threads)
        self._waiting: PriorityQueue[Entry] = PriorityQueue()
        self._futures: list[Future[tuple[Key, float]]] = []
        self._arrivals = itertools.count()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Ctrl-C waits for nothing.
        self._pool.shutdown(wait=kind is not KeyboardInterrupt, cancel_futures=True)

    def add(self, key: Key, metric: Metric, pair: Callable[[], Pair]) -> None:
        """Have a distance found; where it is not known, between what ``pair`` then gives."""
        if key in self.found:
            self.tally()
            return
        x, y = pair()
        if metric.kind == "masses":
            y = self._cells(metric, key.parameter)
        size = _SIZE.get(metric.kind, 0)
        self._waiting.put((-size, next(self._arrivals), key, metric, (x, y)))
        self._futures.append(self._pool.submit(self._largest))

    def finish(self) -> None:
        """Wait until everything is found.

        Raises:
            InputError: points of a wrong shape, NaN or infinity.
        """
        for future in as_completed(self._futures):
            key, value = future.result()
            self.found[key] = value
            self.tally()
        self._futures.clear()

    def _largest(self) -> tuple[Key, float]:
        """Solve the largest problem that waits."""
        _, _, key, metric, pair = self._waiting.get_nowait()
        compared = seen(metric, pair, self._config)
        value = distance(metric, compared, self._config.bins, self._system.domain.period)
        if self._log is not None:
            self._log.append(key, value)
        return key, value

    def _cells(self, metric: Metric, parameter: float) -> Points:
        """Exact masses of the cells that the metric compares."""
        if (metric, parameter) not in self._masses:
            assert isinstance(self._system, KnownLaw)
            self._masses[metric, parameter] = self._system.bin_masses(
                parameter, self._config.bins, metric.axes
            )
        return self._masses[metric, parameter]
