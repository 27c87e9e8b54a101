"""Figures of the KPP experiments: laws on the torus, and growth rates from every start."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from twostep_rs.runs.convergence import ARRIVAL, COLD
from twostep_rs.runs.convergence_file import by_kappa
from twostep_rs.runs.figures import STAGES, STYLE
from twostep_rs.runs.table import Kind, select

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from twostep_rs.runs.convergence import Convergence
    from twostep_rs.runs.evaluation import Row

    Points = NDArray[np.float64]

_BINS = 72
_PERIOD = 2.0 * math.pi
_GREY = "#4D4D4D"
_DENSITY = colormaps["magma_r"]
_PANELS = {1: "stage I (MeanFlow)", 2: "stage II (refined)", 0: "reference"}
_STARTS = {
    COLD: ("cold (uniform)", _GREY, "^"),
    "stage I": STAGES[1],
    "stage II": STAGES[2],
}


def laws(clouds: Mapping[float, Mapping[int, Points]], axes: tuple[int, int] = (0, 1)) -> Figure:
    """Histograms of 72 x 72 cells on a plane of the torus: a row for each diffusivity.

    Args:
        clouds: points of shape (n, d) by diffusivity and stage; 0 is the reference.
        axes: the plane.
    """
    return _panels(
        [
            (f"$\\kappa = 2^{{{math.log2(kappa):g}}}$", axes, by_stage)
            for kappa, by_stage in clouds.items()
        ]
    )


def planes(by_stage: Mapping[int, Points], kappa: float) -> Figure:
    """The three coordinate planes at one diffusivity, a row each."""
    figure = _panels([("", axes, by_stage) for axes in ((0, 1), (0, 2), (1, 2))])
    figure.suptitle(f"$\\kappa = 2^{{{math.log2(kappa):g}}}$", fontsize=10)
    return figure


def distances(
    rows: Sequence[Row],
    metric: str,
    training_parameters: Sequence[float],
    printed: Mapping[int, Mapping[float, float]],
) -> Figure:
    """W2 squared against -log2 kappa, with the floor and the published numbers.

    Args:
        rows: the evaluation.
        metric: which rows: ``histogram`` or one of a plane.
        training_parameters: the line marks the end of their range.
        printed: published W2 squared by stage and parameter.
    """
    chosen = select(rows, Kind(metric, None))
    levels = [-math.log2(kappa) for kappa in chosen]
    with rc_context(STYLE):
        figure = Figure(figsize=(6.0, 3.8), layout="constrained")
        axes = figure.subplots()
        any_stage = [next(iter(by_stage.values())) for by_stage in chosen.values()]
        axes.plot(
            levels, [row.floor for row in any_stage], color=_GREY, ls="--", label="sampling floor"
        )
        for stage, (label, color, marker) in STAGES.items():
            found = [by_stage[stage] for by_stage in chosen.values()]
            axes.errorbar(
                levels,
                [row.w2_squared for row in found],
                [row.standard_error for row in found],
                color=color,
                marker=marker,
                capsize=2,
                label=f"{label} ± s.e.",
            )
            if stage in printed:
                axes.plot(
                    [-math.log2(kappa) for kappa in printed[stage]],
                    list(printed[stage].values()),
                    color=color,
                    marker=marker,
                    markerfacecolor="white",
                    linestyle=":",
                    linewidth=0.9,
                    label=f"{label}, printed",
                )
        if training_parameters:
            end = -math.log2(min(training_parameters))
            axes.axvline(end, color="#009E73", ls="--", label="end of the training range")
        axes.set_yscale("log")
        axes.set_xlabel(r"$-\log_2 \kappa$")
        axes.set_ylabel("$W_2^2$ to the reference (length$^2$)")
        axes.xaxis.set_major_locator(MultipleLocator(0.5))
        figure.legend(loc="outside upper center", ncols=3, fontsize=7)
    return figure


def convergence(results: Sequence[Convergence]) -> Figure:
    """Running estimates of the speed against generations, a panel for each diffusivity.

    Markers are means over the seeds, bars are standard deviations of one run; the band is 0.5 %
    around the reference.
    """
    chosen = by_kappa(results)
    columns = min(3, len(chosen))
    lines = -(-len(chosen) // columns)
    with rc_context(STYLE):
        figure = Figure(figsize=(1.0 + 3.0 * columns, 0.6 + 2.6 * lines), layout="constrained")
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for axes, (kappa, starts) in zip(panels, chosen.items(), strict=False):
            reference = next(iter(starts.values())).reference
            axes.axhspan((1.0 - ARRIVAL) * reference, (1.0 + ARRIVAL) * reference, color="#EEF1F5")
            axes.axhline(reference, color="black", ls="--", lw=1.0, label="reference")
            for offset, (name, result) in enumerate(starts.items()):
                label, color, marker = _STARTS[name]
                axes.errorbar(
                    [e.generations * 1.04 ** (offset - 1) for e in result.estimates],
                    [e.mean for e in result.estimates],
                    [e.deviation for e in result.estimates],
                    color=color,
                    marker=marker,
                    capsize=2,
                    label=label,
                )
            inside = "" if next(iter(starts.values())).training_range else ", extrapolated"
            axes.set_title(f"$\\kappa = 2^{{{math.log2(kappa):g}}}${inside}")
            axes.set_xscale("log", base=2)
            axes.set_xlabel("generations T")
        for axes in panels[len(chosen) :]:
            axes.set_visible(False)
        for axes in panels[::columns]:
            axes.set_ylabel(r"$\hat c_T(\lambda)$")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return figure


def _panels(rows: Sequence[tuple[str, tuple[int, int], Mapping[int, Points]]]) -> Figure:
    with rc_context(STYLE):
        figure = Figure(figsize=(8.2, 0.4 + 2.5 * len(rows)), layout="constrained")
        grid = figure.subplots(len(rows), len(_PANELS), squeeze=False)
        for line, (title, plane, by_stage) in zip(grid, rows, strict=True):
            densities = {stage: _density(by_stage[stage][:, list(plane)]) for stage in _PANELS}
            top = max(float(density.max()) for density in densities.values())
            for axes, density in zip(line, densities.values(), strict=True):
                image = axes.imshow(
                    density.T,
                    origin="lower",
                    extent=(0.0, _PERIOD, 0.0, _PERIOD),
                    cmap=_DENSITY,
                    vmin=0.0,
                    vmax=top,
                    interpolation="nearest",
                )
                _label(axes, plane, first=axes is line[0], title=title)
            figure.colorbar(image, ax=list(line), label="density", pad=0.01)
        for axes, label in zip(grid[0], _PANELS.values(), strict=True):
            axes.set_title(label)
    return figure


def _label(axes: Axes, plane: tuple[int, int], *, first: bool, title: str) -> None:
    ticks = [0.0, math.pi, _PERIOD]
    axes.set_xticks(ticks, ["0", r"$\pi$", r"$2\pi$"])
    axes.set_yticks(ticks if first else [], ["0", r"$\pi$", r"$2\pi$"] if first else [])
    axes.set_xlabel(f"$x_{plane[0] + 1}$", labelpad=1)
    if first:
        axes.set_ylabel(f"{title}\n$x_{plane[1] + 1}$" if title else f"$x_{plane[1] + 1}$")


def _density(points: Points) -> Points:
    counts, _ = np.histogramdd(points, bins=_BINS, range=[(0.0, _PERIOD)] * 2)
    return counts / (len(points) * (_PERIOD / _BINS) ** 2)
