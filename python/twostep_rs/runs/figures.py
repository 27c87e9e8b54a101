"""Figures of a run. Every function returns a matplotlib figure and touches no global state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation

from twostep_rs.runs.table import SUBSAMPLES, kinds, select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from twostep_rs.runs.evaluation import Row
    from twostep_rs.runs.table import Kind

    Points = NDArray[np.float64]

K = TypeVar("K")

# Okabe and Ito's palette: told apart by every kind of colour vision, and in grey by the markers.
STAGES = {1: ("stage I", "#D55E00", "o"), 2: ("stage II", "#0072B2", "s")}
_STAGE_NAMES = {0: "reference"} | {stage: label for stage, (label, _, _) in STAGES.items()}
_GREY = "#4D4D4D"
_SHADE = "#EEF1F5"
_DENSITY = colormaps["magma_r"].with_extremes(bad="white")
_OUTSIDE = 1e-3

STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "figure.dpi": 160,
    "savefig.dpi": 160,
}


class _PlainLogFormatter(LogFormatterSciNotation):
    """0.006 rather than 6 x 10^-3; the base class decides which ticks have a label."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def w2_curve(
    rows: Sequence[Row],
    training_parameters: Sequence[float],
    axis: str,
    printed: Mapping[int, Mapping[float, float]] | None = None,
    *,
    dyadic: bool = False,
) -> Figure:
    """W2 squared of every stage against the parameter, and its ratio to the floor.

    One column of panels for each metric and box. Bars and bands are standard errors; the range of
    training is shaded.

    Args:
        rows: the evaluation.
        training_parameters: parameters of training, marked on the axis.
        axis: label of the parameter.
        printed: published values by stage and parameter, shown beside the histograms with box
            ``joint`` and those on a torus.
        dyadic: whether the axis of the parameter is logarithmic.
    """
    panels = kinds(rows)
    with rc_context(STYLE):
        width = 6.0 if len(panels) == 1 else 1.0 + 3.4 * len(panels)
        figure = Figure(figsize=(width, 5.0), layout="constrained")
        grid = figure.subplots(
            2, len(panels), sharex=True, squeeze=False, height_ratios=(3, 2), sharey="row"
        )
        for column, kind in enumerate(panels):
            above, below = grid[:, column]
            chosen = select(rows, kind)
            for axes in (above, below):
                _shade(axes, training_parameters)
                _log_scale(axes)
            _distances(above, chosen)
            if printed and kind.comparable:
                _printed(above, printed)
            if dyadic:
                below.set_xscale("log", base=2)
            _ratios(below, chosen)
            above.set_title(_title(kind))
            below.set_xlabel(axis)
        grid[0, 0].set_ylabel("$W_2^2$ to the reference (length$^2$)")
        grid[1, 0].set_ylabel("$W_2^2$ / sampling floor")
        handles = {
            label: handle
            for axes in grid[0]
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            handles.values(),
            handles.keys(),
            loc="outside upper center",
            ncols=4 if len(panels) > 1 else 2,
        )
    return figure


def projections(
    clouds: Mapping[K, Points], title: str, names: Mapping[K, str] | None = None
) -> Figure:
    """Densities of clouds, projected on planes.

    All panels of a row share their limits and their scale of colour. What lies outside the limits
    is counted in the panel's corner.

    Args:
        clouds: points of shape (n, d) by name.
        title: above the figure.
        names: what columns are called; by default clouds are those of stages, 0 the reference.
    """
    planes, limits = _planes(next(iter(clouds.values())).shape[1]), _limits(clouds)
    spans = limits[:, 1] - limits[:, 0]
    heights = [spans[j] / spans[i] for i, j in planes]
    called: Mapping[Any, str] = _STAGE_NAMES if names is None else names
    breaks = max(called[name].count("\n") for name in clouds)
    with rc_context(STYLE):
        width = 2.6 * len(clouds)
        figure = Figure(
            figsize=(width + 1.0, 2.4 * sum(heights) + 0.5 * len(planes) + 0.4 + 0.4 * breaks),
            layout="constrained",
        )
        grid = figure.subplots(len(planes), len(clouds), squeeze=False, height_ratios=heights)
        for (i, j), line in zip(planes, grid, strict=True):
            densities = [_density(points[:, (i, j)], limits[[i, j]]) for points in clouds.values()]
            top = max(density.max() for density in densities)
            for axes, density, points in zip(line, densities, clouds.values(), strict=True):
                image = axes.imshow(
                    np.ma.masked_equal(density.T, 0.0),
                    origin="lower",
                    extent=(*limits[i], *limits[j]),
                    cmap=_DENSITY,
                    vmin=0.0,
                    vmax=top,
                    interpolation="nearest",
                )
                _count_outside(axes, points[:, (i, j)], limits[[i, j]])
                axes.set_xlabel(_coordinate(i))
                axes.set_yticks(axes.get_yticks() if axes is line[0] else [])
                axes.set_ylim(*limits[j])
            line[0].set_ylabel(_coordinate(j))
            figure.colorbar(image, ax=list(line), label="density (1 / length$^2$)", pad=0.01)
        for axes, name in zip(grid[0], clouds, strict=True):
            axes.set_title(called[name])
        figure.suptitle(title, fontsize=10)
    return figure


def losses(metrics: Sequence[Mapping[str, Any]]) -> Figure:
    """Training loss of every stage against the step: every logged row, and a running mean."""
    trained = {row["stage"] for row in metrics} or {1}
    with rc_context(STYLE):
        figure = Figure(figsize=(8.0, 2.8), layout="constrained")
        panels = figure.subplots(1, len(trained), squeeze=False)[0]
        for axes, stage in zip(panels, sorted(trained), strict=True):
            label, color, _ = STAGES[stage]
            logged = [
                (row["step"], row["loss"])
                for row in metrics
                if row["stage"] == stage and row.get("loss") is not None
            ]
            axes.set_title(label)
            axes.set_xlabel("step")
            axes.set_ylabel("training loss")
            if logged:
                steps, values = np.array(logged, dtype=float).T
                axes.plot(steps, values, color=color, alpha=0.3, linewidth=0.8)
                axes.plot(*_running_mean(steps, values), color=color)
                if (values > 0).all():
                    _log_scale(axes)
    return figure


def _log_scale(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_PlainLogFormatter())
    axes.yaxis.set_minor_formatter(_PlainLogFormatter())


def _shade(axes: Axes, training_parameters: Sequence[float]) -> None:
    """The range of training as a light ground, its parameters as ticks inside the axis."""
    if not training_parameters:
        return
    axes.axvspan(
        min(training_parameters), max(training_parameters), color=_SHADE, label="training range"
    )
    axes.plot(
        training_parameters,
        np.zeros(len(training_parameters)),
        "|",
        color=_GREY,
        markersize=5,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
    )


def _distances(axes: Axes, chosen: Mapping[float, Mapping[int, Row]]) -> None:
    parameters = np.array(list(chosen))
    first = [next(iter(by_stage.values())) for by_stage in chosen.values()]
    floor = np.array([row.floor for row in first])
    error = np.array([row.floor_standard_error for row in first])
    axes.fill_between(
        parameters, floor - error, floor + error, color=_GREY, alpha=0.25, linewidth=0
    )
    axes.plot(parameters, floor, color=_GREY, linestyle="--", label="sampling floor ± s.e.")
    for stage, rows in _by_stage(chosen).items():
        label, color, marker = STAGES[stage]
        axes.errorbar(
            [row.parameter for row in rows],
            [row.w2_squared for row in rows],
            [row.standard_error for row in rows],
            color=color,
            marker=marker,
            capsize=2,
            label=f"{label} ± s.e.",
        )


def _ratios(axes: Axes, chosen: Mapping[float, Mapping[int, Row]]) -> None:
    axes.axhline(1.0, color=_GREY, linestyle="--")
    for stage, rows in _by_stage(chosen).items():
        _, color, marker = STAGES[stage]
        axes.errorbar(
            [row.parameter for row in rows],
            [row.ratio for row in rows],
            [row.ratio_standard_error for row in rows],
            color=color,
            marker=marker,
            capsize=2,
        )


def _printed(axes: Axes, printed: Mapping[int, Mapping[float, float]]) -> None:
    for stage, values in printed.items():
        label, color, marker = STAGES[stage]
        axes.plot(
            list(values),
            list(values.values()),
            color=color,
            marker=marker,
            markerfacecolor="white",
            linestyle=":",
            linewidth=0.9,
            label=f"{label}, printed",
        )


def _by_stage(chosen: Mapping[float, Mapping[int, Row]]) -> dict[int, list[Row]]:
    stages = next(iter(chosen.values()))
    return {
        stage: [by_stage[stage] for by_stage in chosen.values()]
        for stage in stages
        if stage in STAGES
    }


def _title(kind: Kind) -> str:
    if kind.metric == "exact":
        return "exact, between clouds"
    if kind.metric in SUBSAMPLES:
        return f"subsamples {SUBSAMPLES[kind.metric]}"
    if kind.metric.startswith("masses"):
        return kind.metric.replace("masses", "to exact masses")
    where = f"box {kind.box}" if kind.box else "torus"
    return f"{kind.metric.replace('histogram', 'histograms')}, {where}"


def _planes(dim: int) -> list[tuple[int, int]]:
    """Three planes that show the first two and the last two coordinates; fewer where d < 3."""
    if dim == 1:
        return [(0, 0)]
    return list(dict.fromkeys([(0, 1), (0, dim - 1), (dim - 2, dim - 1)]))


def _limits(clouds: Mapping[K, Points]) -> Points:
    """Per coordinate the widest 0.1 % to 99.9 % range of all clouds, and 5 % more; (d, 2)."""
    quantiles = [
        np.quantile(points, (_OUTSIDE, 1 - _OUTSIDE), axis=0) for points in clouds.values()
    ]
    low = np.min([low for low, _ in quantiles], axis=0)
    high = np.max([high for _, high in quantiles], axis=0)
    margin = 0.05 * np.maximum(high - low, 1e-12)
    return np.stack([low - margin, high + margin], axis=1)


def _density(points: Points, limits: Points) -> Points:
    """Particles per area, as a share of all; square cells, fewer where there are few particles."""
    spans = limits[:, 1] - limits[:, 0]
    cell = spans.max() / np.clip(round(len(points) ** 0.5 / 2.5), 8, 64)
    bins = np.maximum(1, np.round(spans / cell)).astype(int)
    counts, _ = np.histogramdd(points, bins=bins.tolist(), range=limits.tolist())
    return counts / (len(points) * float(np.prod(spans / bins)))


def _count_outside(axes: Axes, points: Points, limits: Points) -> None:
    outside = ((points < limits[:, 0]) | (points > limits[:, 1])).any(axis=1).mean()
    if outside > 0:
        axes.text(
            0.98, 0.03, f"{outside:.2%} outside", transform=axes.transAxes, ha="right", fontsize=6
        )


def _coordinate(index: int) -> str:
    return "xyz"[index] if index < 3 else f"x{index + 1}"


def _running_mean(steps: Points, values: Points) -> tuple[Points, Points]:
    """Mean over a window of a twentieth of the rows."""
    window = max(1, len(values) // 20)
    kernel = np.full(window, 1.0 / window)
    return np.convolve(steps, kernel, "valid"), np.convolve(values, kernel, "valid")
