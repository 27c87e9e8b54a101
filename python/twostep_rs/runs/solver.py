"""Distances of many pairs of clouds, one to a thread."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from queue import PriorityQueue, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

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

    # What is called where the solver is attended to, when a thread has done its work.
    Then = Callable[[], object]
    # Negative size, and order of arrival among equals: the smallest entry is the largest work.
    Entry = tuple[int, int, Callable[[], Then]]

Result = TypeVar("Result")

# How long one of them takes, in an order; other metrics take less than these.
_CLOUD = 4
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
        stopped: whether what is under way is of no use any more.
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
        self.stopped = threading.Event()
        self._config, self._system, self._log = config, system, log
        self._masses: dict[tuple[Metric, float], Points] = {}
        self._pool = ThreadPoolExecutor(get_num_threads() if threads is None else threads)
        self._waiting: PriorityQueue[Entry] = PriorityQueue()
        self._arrivals = itertools.count()
        self._done: SimpleQueue[Future[Then]] = SimpleQueue()
        self._pending = 0

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopped.set()
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
        solve = partial(self._distance, key, metric, (x, y))
        self._submit(_SIZE.get(metric.kind, 0), solve, partial(self._keep, key))

    def draw(self, cloud: Callable[[], Result], then: Callable[[Result], object]) -> None:
        """Have a thread draw a cloud, and ``then`` called with it where the solver is attended."""
        self._submit(_CLOUD, cloud, then)

    def attend(self) -> None:
        """Wait until something is done.

        Raises:
            InputError: points of a wrong shape, NaN or infinity.
        """
        then = self._done.get().result()
        self._pending -= 1
        then()

    def finish(self) -> None:
        """Wait until everything is done.

        Raises:
            InputError: points of a wrong shape, NaN or infinity.
        """
        while self._pending:
            self.attend()

    def _submit(
        self, size: int, work: Callable[[], Result], then: Callable[[Result], object]
    ) -> None:
        def worked() -> Then:
            return partial(then, work())

        self._waiting.put((-size, next(self._arrivals), worked))
        self._pending += 1
        self._pool.submit(self._largest).add_done_callback(self._done.put)

    def _largest(self) -> Then:
        """Do the largest work that waits."""
        return self._waiting.get_nowait()[-1]()

    def _distance(self, key: Key, metric: Metric, pair: Pair) -> float:
        compared = seen(metric, pair, self._config)
        value = distance(metric, compared, self._config.bins, self._system.domain.period)
        if self._log is not None:
            self._log.append(key, value)
        return value

    def _keep(self, key: Key, value: float) -> None:
        self.found[key] = value
        self.tally()

    def _cells(self, metric: Metric, parameter: float) -> Points:
        """Exact masses of the cells that the metric compares."""
        if (metric, parameter) not in self._masses:
            assert isinstance(self._system, KnownLaw)
            self._masses[metric, parameter] = self._system.bin_masses(
                parameter, self._config.bins, metric.axes
            )
        return self._masses[metric, parameter]
