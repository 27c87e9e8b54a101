"""The evaluation: distance of each stage to fresh references, beside the sampling floor."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from twostep_rs import ot
from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.errors import ConfigError
from twostep_rs.threads import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from twostep_rs.config import EvaluationConfig
    from twostep_rs.systems import System

    Points = NDArray[np.float64]
    Pair = tuple[Points, Points]

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
        metric: ``histogram`` or ``exact``.
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
        """Standard error of :attr:`ratio`, by linear propagation of both errors."""
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


@dataclass(frozen=True)
class _Metric:
    name: str
    box: str | None


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

    Returns:
        The rows and clouds; the same for any number of threads.

    Raises:
        ConfigError: there are no parameters.
        InputError: a stage returns points of a wrong shape, NaN or infinity.
        KeyboardInterrupt: on Ctrl-C.
    """
    if not config.parameters:
        raise ConfigError("evaluation.parameters: expected at least one parameter, got none")
    period = system.domain.period
    metrics = _metrics(config, on_torus=period is not None)
    clouds_per_parameter = max(2 * config.floor_pairs, config.references)
    pairs_per_parameter = config.floor_pairs + config.references * len(stages)
    per_parameter = clouds_per_parameter + pairs_per_parameter * len(metrics)
    done, total = 0, per_parameter * len(config.parameters)

    def advance(count: int = 1) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    rows: list[Row] = []
    clouds: dict[float, dict[int, Points]] = {}
    low, high = min(training_parameters, default=math.inf), max(training_parameters, default=0.0)
    for index, parameter in enumerate(config.parameters):
        first = index * _CLOUDS_PER_PARAMETER
        references = []
        for k in range(clouds_per_parameter):
            cloud_index = cloud_seed(seed, Purpose.REFERENCE, first + k)
            references.append(system.simulate(parameter, config.particles, cloud_index).target)
            advance()
        sources = [
            system.prior(config.particles, cloud_seed(seed, Purpose.SOURCE, first + k))
            for k in range(config.references)
        ]
        candidates = {
            stage: [np.asarray(carry(source, parameter), dtype=np.float64) for source in sources]
            for stage, carry in stages.items()
        }
        pairs = list(zip(references[0::2], references[1::2], strict=False))[: config.floor_pairs]
        for stage_clouds in candidates.values():
            pairs += zip(stage_clouds, references, strict=False)
        for metric in metrics:
            distances = _distances(pairs, metric, config.bins, period, threads, advance)
            floor, floor_error = _mean(distances[: config.floor_pairs])
            for place, stage in enumerate(stages):
                begin = config.floor_pairs + place * config.references
                mean, error = _mean(distances[begin : begin + config.references])
                rows.append(
                    Row(
                        method=method,
                        stage=stage,
                        parameter=parameter,
                        training_range=low <= parameter <= high,
                        seed=seed,
                        metric=metric.name,
                        box=metric.box,
                        w2_squared=mean,
                        standard_error=error,
                        floor=floor,
                        floor_standard_error=floor_error,
                        n=config.particles,
                    )
                )
        clouds[parameter] = {0: references[0]} | {k: c[0] for k, c in candidates.items()}
    return Evaluation(tuple(rows), clouds)


def _metrics(config: EvaluationConfig, *, on_torus: bool) -> list[_Metric]:
    boxes: tuple[str | None, ...] = (None,) if on_torus else config.boxes
    return [
        _Metric(name, box)
        for name in config.metrics
        for box in (boxes if name == "histogram" else (None,))
    ]


def _distances(
    pairs: Sequence[Pair],
    metric: _Metric,
    bins: int,
    period: tuple[float, ...] | None,
    threads: int | None,
    advance: Callable[[int], None],
) -> list[float]:
    """W2 squared of every pair (candidate, reference)."""
    threads = get_num_threads() if threads is None else threads
    if metric.name == "exact":
        return _exact(pairs, period, threads, advance)

    def distance(pair: Pair) -> float:
        box = "joint" if metric.box is None else metric.box
        return ot.histogram_w2(*pair, bins=bins, box=box, period=period, threads=1).w2_squared

    found = []
    pool = ThreadPoolExecutor(threads)
    try:
        for value in pool.map(distance, pairs):
            found.append(value)
            advance(1)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return found


def _exact(
    pairs: Sequence[Pair],
    period: tuple[float, ...] | None,
    threads: int,
    advance: Callable[[int], None],
) -> list[float]:
    found: list[float] = []
    for begin in range(0, len(pairs), threads):
        batch = pairs[begin : begin + threads]
        plans = ot.emd_batch(
            [x for x, _ in batch], [y for _, y in batch], period=period, threads=threads
        )
        found += [plan.cost for plan in plans]
        advance(len(batch))
    return found


def _mean(values: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(len(values)))
