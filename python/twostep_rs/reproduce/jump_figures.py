"""Maps by the number of their jumps, alone and with stage II."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure

from twostep_rs.reproduce.scores import mean_ratio
from twostep_rs.runs.figures import STYLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twostep_rs.reproduce.method_tables import Line

_GREY = "#4D4D4D"
_MARKERS = "osD^vP"


def jumps_figure(found: Mapping[tuple[str, int, int], Line]) -> Figure:
    """Mean ratio to the sampling floor against the number of jumps, inside the range and beyond.

    Args:
        found: lines by map, number of jumps, and stage; dashes are those of stage II.
    """
    names = list(dict.fromkeys(name for name, _, _ in found))
    jumps = list(dict.fromkeys(each for _, each, _ in found))
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 4.2), layout="constrained")
        panels = figure.subplots(1, 2, squeeze=False)[0]
        colors = colormaps["tab10"].colors  # type: ignore[attr-defined]
        for axes, inside in zip(panels, (True, False), strict=True):
            for name, color, marker in zip(names, colors, _MARKERS, strict=False):
                for stage, line in ((1, "-"), (2, "--")):
                    scores = [found[name, each, stage].scores for each in jumps]
                    means, errors = zip(
                        *(mean_ratio(one, inside=inside) for one in scores), strict=True
                    )
                    axes.errorbar(
                        jumps,
                        means,
                        errors,
                        label=found[name, 1, 1].title.rpartition(",")[0] if stage == 1 else None,
                        color=color,
                        marker=marker,
                        linestyle=line,
                        capsize=2,
                    )
            axes.axhline(1.0, color=_GREY, linestyle=":", linewidth=0.8)
            axes.set_xscale("log", base=2)
            axes.set_xticks(jumps, [str(each) for each in jumps])
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter("{x:g}")
            axes.set_xlabel("jumps")
            axes.set_title("inside the range of training" if inside else "beyond it")
        panels[0].set_ylabel("$W_2^2$ / sampling floor")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            title="dashes: stage II behind it",
            loc="outside lower center",
            ncols=3,
        )
    return figure
