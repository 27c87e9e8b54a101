"""Figures with a curve for every method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure

from twostep_rs.runs.figures import STYLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.reproduce.scores import Curve

_GREY = "#4D4D4D"
_SHADE = "#EEF1F5"
_MARKERS = "osD^vP*X<>hdp"


def distances(
    curves: Mapping[str, Curve],
    training_parameters: Sequence[float],
    printed: Mapping[str, Mapping[float, float]],
) -> Figure:
    """W2 squared of every method against the parameter, ours and as printed.

    Args:
        curves: scores by method and parameter.
        training_parameters: their range is shaded.
        printed: published values by method and parameter.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        ours, theirs = figure.subplots(1, 2, sharex=True, sharey=True)
        first = next(iter(curves.values()))
        for axes in (ours, theirs):
            axes.axvspan(min(training_parameters), max(training_parameters), color=_SHADE)
            axes.plot(
                list(first), [score.floor for score in first.values()], color=_GREY, linestyle="--"
            )
            axes.set_yscale("log")
            axes.set_xlabel(r"flow strength $\sigma$")
        colors = colormaps["tab10"].colors  # type: ignore[attr-defined]
        for (name, curve), color, marker in zip(curves.items(), colors, _MARKERS, strict=False):
            ours.errorbar(
                list(curve),
                [score.value for score in curve.values()],
                [score.error for score in curve.values()],
                label=name,
                color=color,
                marker=marker,
                capsize=2,
            )
        for (name, values), color, marker in zip(printed.items(), colors, _MARKERS, strict=False):
            theirs.plot(list(values), list(values.values()), label=name, color=color, marker=marker)
        ours.set_ylabel("$W_2^2$ to the reference (length$^2$)")
        for axes, title in ((ours, "ours; dashes: sampling floor"), (theirs, "as printed")):
            axes.set_title(title)
            axes.legend()
    return figure
