"""The metrics of the evaluation: what each one compares, and how."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np

from twostep_rs import ot
from twostep_rs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twostep_rs.config import EvaluationConfig
    from twostep_rs.systems import System

    Points = NDArray[np.float64]
    Pair = tuple[Points, Points]
    Box = Literal["reference", "joint"]
    Kind = Literal["histogram", "exact", "masses", "subsample_independent", "subsample_paired"]


@runtime_checkable
class KnownLaw(Protocol):
    """A system whose law is known."""

    def bin_masses(
        self, parameter: float, bins: int, axes: Sequence[int] | None = None, /
    ) -> NDArray[np.float64]:
        """Exact masses of the cells of a grid over the torus, or over some of its axes."""
        ...


@dataclass(frozen=True)
class Metric:
    """A way to measure W2 squared between a candidate and a reference.

    Attributes:
        kind: between histograms, clouds, clouds of few particles, or to exact masses of cells.
        box: box rule of a histogram in free space.
        axes: of the plane that is compared; None for all.
    """

    kind: Kind
    box: Box | None = None
    axes: tuple[int, ...] | None = None

    @property
    def name(self) -> str:
        """As it stands in rows."""
        if self.axes is None:
            return self.kind
        return f"{self.kind} {' '.join(f'x{axis + 1}' for axis in self.axes)}"

    @property
    def paired(self) -> bool:
        """Whether row i of both clouds comes from the same source particle."""
        return self.kind == "subsample_paired"

    def particles(self, config: EvaluationConfig) -> int:
        """Particles of each cloud that is compared."""
        return config.subsample if self.kind.startswith("subsample") else config.particles


def metrics_of(config: EvaluationConfig, system: System) -> list[Metric]:
    """The metrics that ``config`` asks for.

    Raises:
        ConfigError: one does not suit the system.
    """
    boxes: tuple[Box | None, ...] = config.boxes if system.domain.period is None else (None,)
    planes = list(itertools.combinations(range(system.dim), 2))
    metrics: list[Metric] = []
    for name in config.metrics:
        if name == "histogram":
            metrics += [Metric(name, box) for box in boxes]
        elif name == "planes":
            metrics += [Metric("histogram", box, axes) for axes in planes for box in boxes]
        elif name != "masses":
            metrics.append(Metric(name))
        elif not isinstance(system, KnownLaw):
            raise ConfigError("evaluation.metrics: expected no 'masses' where no law is known")
        else:
            whole = system.dim <= 2
            metrics += [Metric(name, None, axes) for axes in ([None] if whole else planes)]
    return metrics


def seen(metric: Metric, pair: Pair, config: EvaluationConfig) -> Pair:
    """What the metric compares: clouds, their columns, some of their rows, or masses of cells."""
    x, y = pair
    if metric.kind.startswith("subsample"):
        rows = _rows(config)
        return x[rows], y[rows]
    if metric.axes is None:
        return pair
    columns = list(metric.axes)
    return x[:, columns], y if metric.kind == "masses" else y[:, columns]


def _rows(config: EvaluationConfig) -> NDArray[np.int64]:
    """Rows of a subsample, the same of all clouds; drawn, since rows may be in some order."""
    random = np.random.default_rng(config.subsample)
    return random.choice(config.particles, config.subsample, replace=False)


def distance(metric: Metric, pair: Pair, bins: int, period: tuple[float, ...] | None) -> float:
    """W2 squared of what :func:`seen` gives."""
    if period is not None and metric.axes is not None:
        period = tuple(period[axis] for axis in metric.axes)
    if metric.kind == "masses":
        return _to_masses(*pair, period)
    if metric.kind != "histogram":
        return ot.emd(*pair, period=period, threads=1).cost
    box = "joint" if metric.box is None else metric.box
    return ot.histogram_w2(*pair, bins=bins, box=box, period=period, threads=1).w2_squared


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
