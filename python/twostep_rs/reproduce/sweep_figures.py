"""Figures of sweeps: the ratio to the sampling floor against a size of the training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.figure import Figure

from twostep_rs.reproduce.scores import mean_ratio
from twostep_rs.runs.figures import STAGES, STYLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.reproduce.scores import Curve

_GREY = "#4D4D4D"


def sweeps_figure(sweeps: Mapping[str, Sequence[tuple[float, Curve, Curve]]]) -> Figure:
    """Mean ratio of both stages against the size, a panel for every sweep.

    Args:
        sweeps: by title, sizes with the scores of stage I and stage II.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(4.0 * len(sweeps), 3.2), layout="constrained")
        panels = figure.subplots(1, len(sweeps), sharey=True, squeeze=False)[0]
        for axes, (title, found) in zip(panels, sweeps.items(), strict=True):
            sizes, *stages = zip(*found, strict=True)
            for (label, color, marker), curves in zip(STAGES.values(), stages, strict=True):
                for inside, line in ((True, "-"), (False, ":")):
                    means, errors = zip(
                        *(mean_ratio(scores, inside=inside) for scores in curves), strict=True
                    )
                    axes.errorbar(
                        sizes,
                        means,
                        errors,
                        label=f"{label}, {'inside' if inside else 'beyond'}",
                        color=color,
                        marker=marker,
                        linestyle=line,
                        capsize=2,
                    )
            axes.axhline(1.0, color=_GREY, linestyle="--", linewidth=0.8)
            axes.set_xscale("log")
            axes.set_xticks(sizes, [f"{size:g}" for size in sizes], minor=False)
            axes.tick_params(axis="x", which="minor", labelbottom=False)
            axes.set_yscale("log")
            axes.set_xlabel(title.lower())
        panels[0].set_ylabel("$W_2^2$ / sampling floor")
        panels[0].legend()
    return figure
