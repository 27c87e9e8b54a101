"""The evaluation: distance of each stage to fresh references, beside the sampling floor."""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np

from twostep_rs import ot
from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.errors import ConfigError
from twostep_rs.threads import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from twostep_rs.config import EvaluationConfig
    from twostep_rs.systems import System

    Points = NDArray[np.float64]
    Pair = tuple[Points, Points]
    Box = Literal["reference", "joint"]

# More clouds per parameter than any evaluation draws; keeps the seeds of parameters apart.
_CLOUDS_PER_PARAMETER = 2**14


class Sampler(Protocol):
    """One stage of a model: carries source particles, shape (n, d), to the law at a parameter."""

    def __call__(self, source: Points, parameter: float, /) -> Points:
        """Map the particles."""
        ...


@dataclass(frozen=True)
class Row:
    """One figure: the distance of one stage at one parameter by one metric.

    Attributes:
        method: name of the method.
        stage: stage of the method.
        parameter: parameter of the system.
        training_range: whether the parameter lies between those of training.
        seed: seed of the run.
        metric: ``histogram``, ``exact`` or ``masses``; those of a plane name its axes after it.
        box: box rule of the histogram; None for ``exact`` and on a torus.
        w2_squared: mean of W2 squared over the references.
        standard_error: of that mean.
        floor: mean of W2 squared over pairs of independent references.
        floor_standard_error: of that mean.
        n: particles per cloud.
    """

    method: str
    stage: int
    parameter: float
    training_range: bool
    seed: int
    metric: str
    box: str | None
    w2_squared: float
    standard_error: float
    floor: float
    floor_standard_error: float
    n: int

    @property
    def ratio(self) -> float:
        """Distance over floor."""
        return self.w2_squared / self.floor

    @property
    def ratio_standard_error(self) -> float:
        """Standard error of :attr:`ratio`, by linear propagation of both errors.

        Some references of the score are also in pairs of the floor. A reference that lies far
        from the law raises both, so that the true error is a little smaller than this one.
        """
        errors = self.standard_error / self.w2_squared, self.floor_standard_error / self.floor
        return self.ratio * math.hypot(*errors)


@dataclass(frozen=True)
class Evaluation:
    """The rows, and clouds to look at.

    Attributes:
        rows: one per stage, parameter, metric and box.
        clouds: for every parameter the first reference (key 0) and the first cloud of each stage.
    """

    rows: tuple[Row, ...]
    clouds: Mapping[float, Mapping[int, Points]]


@runtime_checkable
class KnownLaw(Protocol):
    """A system whose law is known."""

    def bin_masses(
        self, parameter: float, bins: int, axes: Sequence[int] | None = None, /
    ) -> NDArray[np.float64]:
        """Exact masses of the cells of a grid over the torus, or over some of its axes."""
        ...


@dataclass(frozen=True)
class _Metric:
    kind: Literal["histogram", "exact", "masses"]
    box: Box | None
    axes: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        if self.axes is None:
            return self.kind
        return f"{self.kind} {' '.join(f'x{axis + 1}' for axis in self.axes)}"


@dataclass(frozen=True)
class Yardstick:
    """References of an evaluation and their distances, which no training changes.

    Attributes:
        references: independent clouds at every parameter, in their order.
        floors: distances of disjoint pairs of them, by metric, then by parameter.
    """

    references: Sequence[Sequence[Points]]
    floors: Mapping[_Metric, Sequence[Sequence[float]]]


def evaluate(
    stages: Mapping[int, Sampler],
    system: System,
    config: EvaluationConfig,
    *,
    training_parameters: Sequence[float],
    seed: int = 0,
    method: str = "two-step",
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    yardstick: Yardstick | None = None,
) -> Evaluation:
    """Measure every stage against fresh references.

    At each parameter ``2 floor_pairs`` (or ``references``, if more) independent clouds are
    simulated. The floor is the mean distance over disjoint pairs of them. Each stage carries a
    fresh source, one for every reference, and its figure is the mean over the references. Sources
    and references are drawn with seeds that training never uses.

    Args:
        stages: the stages to measure.
        system: what they emulate.
        config: what to measure.
        training_parameters: parameters of training, for the mark in each row.
        seed: seed of the run.
        method: name of the method in each row.
        threads: number of threads; the package's default where it is None.
        progress: called as ``progress(done, total)`` in units of simulations and distances.
        yardstick: references and floors of this system, configuration and seed, where
            :func:`measure_floor` has found them already.

    Returns:
        The rows and clouds; the same for any number of threads.

    Raises:
        ConfigError: there are no parameters, or a metric does not suit the system.
        InputError: a stage returns points of a wrong shape, NaN or infinity.
        KeyboardInterrupt: on Ctrl-C.
    """
    if yardstick is None:
        count = _work(config, system, floor=True) + _work(config, system, stages=len(stages))
        tally = _Tally(count, progress)
        yardstick = _measure_floor(system, config, seed, threads, tally)
    else:
        tally = _Tally(_work(config, system, stages=len(stages)), progress)
    low, high = (
        min(training_parameters, default=math.inf),
        max(training_parameters, default=-math.inf),
    )

    metrics = _metrics(config, system)
    drawn = [
        _draw(stages, system, config, parameter, index, seed)
        for index, parameter in enumerate(config.parameters)
    ]
    pairs = [
        [pair for clouds in by_stage.values() for pair in zip(clouds, references, strict=False)]
        for by_stage, references in zip(drawn, yardstick.references, strict=True)
    ]
    found = _Solver(system, config, threads, tally)(metrics, pairs)
    scores = {
        (metric, index): [
            _Mean.of(values[k : k + config.references])
            for k in range(0, len(values), config.references)
        ]
        for metric in metrics
        for index, values in enumerate(found[metric])
    }
    floors = {
        (metric, index): _Mean.of(values)
        for metric in metrics
        for index, values in enumerate(yardstick.floors[metric])
    }
    rows = [
        Row(
            method=method,
            stage=stage,
            parameter=parameter,
            training_range=low <= parameter <= high,
            seed=seed,
            metric=metric.name,
            box=metric.box,
            w2_squared=score.value,
            standard_error=score.error,
            floor=floors[metric, index].value,
            floor_standard_error=floors[metric, index].error,
            n=config.particles,
        )
        for index, parameter in enumerate(config.parameters)
        for metric in metrics
        for stage, score in zip(stages, scores[metric, index], strict=True)
    ]
    shown = {
        parameter: {0: references[0]} | {stage: clouds[0] for stage, clouds in by_stage.items()}
        for parameter, references, by_stage in zip(
            config.parameters, yardstick.references, drawn, strict=True
        )
    }
    return Evaluation(tuple(rows), shown)


def measure_floor(
    system: System,
    config: EvaluationConfig,
    *,
    seed: int = 0,
    threads: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Yardstick:
    """What of :func:`evaluate` needs no model; a GPU can train meanwhile.

    Args:
        system: what is emulated.
        config: what to measure.
        seed: seed of the run.
        threads: number of threads; the package's default where it is None.
        stop: asked between simulations and distances; when true, nothing more is begun.

    Raises:
        ConfigError: there are no parameters.
        InterruptedError: ``stop`` said so.
    """

    def progress(done: int, total: int) -> None:
        del done, total
        if stop():
            raise InterruptedError

    tally = _Tally(_work(config, system, floor=True), progress)
    return _measure_floor(system, config, seed, threads, tally)


def _measure_floor(
    system: System,
    config: EvaluationConfig,
    seed: int,
    threads: int | None,
    tally: _Tally,
) -> Yardstick:
    if not config.parameters:
        raise ConfigError("evaluation.parameters: expected at least one parameter, got none")
    references = []
    for index, parameter in enumerate(config.parameters):
        first = index * _CLOUDS_PER_PARAMETER
        clouds = []
        for k in range(first, first + _clouds(config)):
            seed_of_cloud = cloud_seed(seed, Purpose.REFERENCE, k)
            clouds.append(system.simulate(parameter, config.particles, seed_of_cloud).target)
            tally()
        references.append(clouds)
    pairs = [
        list(zip(clouds[0::2], clouds[1::2], strict=False))[: config.floor_pairs]
        for clouds in references
    ]
    solve = _Solver(system, config, threads, tally)
    return Yardstick(references, solve(_metrics(config, system), pairs))


class _Tally:
    """Counts what is done for the progress."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def __call__(self, count: int = 1) -> None:
        self._done += count
        if self._progress is not None:
            self._progress(self._done, self._total)


@dataclass(frozen=True)
class _Mean:
    value: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float]) -> _Mean:
        return cls(float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values))))


def _clouds(config: EvaluationConfig) -> int:
    """Independent references per parameter."""
    return max(2 * config.floor_pairs, config.references)


def _work(config: EvaluationConfig, system: System, *, floor: bool = False, stages: int = 0) -> int:
    """Simulations and distances, of the floor or of some stages."""
    distances = config.floor_pairs * floor + config.references * stages
    per_parameter = _clouds(config) * floor + distances * len(_metrics(config, system))
    return per_parameter * len(config.parameters)


def _draw(
    stages: Mapping[int, Sampler],
    system: System,
    config: EvaluationConfig,
    parameter: float,
    index: int,
    seed: int,
) -> dict[int, list[Points]]:
    """Clouds of every stage, from fresh sources that the stages share."""
    first = index * _CLOUDS_PER_PARAMETER
    sources = [
        system.prior(config.particles, cloud_seed(seed, Purpose.SOURCE, k))
        for k in range(first, first + config.references)
    ]
    return {
        stage: [np.asarray(carry(source, parameter), dtype=np.float64) for source in sources]
        for stage, carry in stages.items()
    }


def _seen(
    metric: _Metric, pairs: Sequence[Pair], parameter: float, system: System, bins: int
) -> list[Pair]:
    """What the metric compares: clouds, their columns, or clouds with the masses of cells."""
    if metric.kind == "masses":
        assert isinstance(system, KnownLaw)
        masses = system.bin_masses(parameter, bins, metric.axes)
        pairs = [(points, masses) for points, _ in pairs]
    if metric.axes is None:
        return list(pairs)
    columns = list(metric.axes)
    return [(x[:, columns], y if metric.kind == "masses" else y[:, columns]) for x, y in pairs]


def _metrics(config: EvaluationConfig, system: System) -> list[_Metric]:
    boxes: tuple[Box | None, ...] = config.boxes if system.domain.period is None else (None,)
    planes = list(itertools.combinations(range(system.dim), 2))
    metrics: list[_Metric] = []
    for name in config.metrics:
        if name == "histogram":
            metrics += [_Metric(name, box) for box in boxes]
        elif name == "exact":
            metrics.append(_Metric(name, None))
        elif name == "planes":
            metrics += [_Metric("histogram", box, axes) for axes in planes for box in boxes]
        elif not isinstance(system, KnownLaw):
            raise ConfigError("evaluation.metrics: expected no 'masses' where no law is known")
        else:
            whole = system.dim <= 2
            metrics += [_Metric(name, None, axes) for axes in ([None] if whole else planes)]
    return metrics


@dataclass(frozen=True)
class _Solver:
    """W2 squared of pairs (candidate, reference), one problem to a thread."""

    system: System
    config: EvaluationConfig
    threads: int | None
    tally: _Tally

    def __call__(
        self, metrics: Sequence[_Metric], pairs: Sequence[Sequence[Pair]]
    ) -> dict[_Metric, list[list[float]]]:
        """The distances of the pairs of every parameter, by every metric."""
        # The longest first, so that no thread is left alone with one of them at the end.
        order = sorted(metrics, key=lambda metric: metric.kind != "exact")
        found = self._solve(
            [
                (metric, pair)
                for metric in order
                for parameter, group in zip(self.config.parameters, pairs, strict=True)
                for pair in _seen(metric, group, parameter, self.system, self.config.bins)
            ]
        )
        return {m: [list(itertools.islice(found, len(group))) for group in pairs] for m in order}

    def _solve(self, problems: Sequence[tuple[_Metric, Pair]]) -> Iterator[float]:
        pool = ThreadPoolExecutor(get_num_threads() if self.threads is None else self.threads)
        try:
            for value in pool.map(lambda problem: self._distance(*problem), problems):
                self.tally()
                yield value
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _distance(self, metric: _Metric, pair: Pair) -> float:
        period = self.system.domain.period
        if period is not None and metric.axes is not None:
            period = tuple(period[axis] for axis in metric.axes)
        if metric.kind == "exact":
            return ot.emd(*pair, period=period, threads=1).cost
        if metric.kind == "masses":
            return _to_masses(*pair, period)
        box = "joint" if metric.box is None else metric.box
        return ot.histogram_w2(
            *pair, bins=self.config.bins, box=box, period=period, threads=1
        ).w2_squared


def _to_masses(points: Points, masses: Points, period: tuple[float, ...] | None) -> float:
    """W2 squared from the histogram of a cloud on a torus to the masses of the cells."""
    assert period is not None
    bins = masses.shape[0]
    counts, edges = np.histogramdd(
        np.mod(points, period), bins=bins, range=[(0.0, length) for length in period]
    )
    middles = [0.5 * (edge[1:] + edge[:-1]) for edge in edges]
    centres = np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1).reshape(-1, len(period))
    found, expected = counts.ravel() / len(points), masses.ravel()
    occupied, needed = found > 0.0, expected > 0.0
    plan = ot.emd(
        centres[occupied],
        centres[needed],
        a=found[occupied],
        b=expected[needed],
        period=period,
        threads=1,
    )
    return plan.cost
