"""Figures of the flows in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from twostep_rs.runs.figures import STYLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

_GREY = "#9A9A9A"
_BLUE = "#1F77B4"
_SIZE = 3.0


def clouds(panels: Mapping[str, ArrayLike], targets: ArrayLike) -> Figure:
    """Generated particles over those of the target.

    Args:
        panels: particles (n, 2) by title.
        targets: (m, 2).
    """
    with rc_context(STYLE):
        figure, every = _panels(panels)
        for axes, points in zip(every, panels.values(), strict=True):
            _dots(axes, targets, _GREY)
            _dots(axes, points, _BLUE)
    return figure


def moves(panels: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Figure:
    """Source particles, their images, and lines between.

    Args:
        panels: sources and images, both (n, 2), by title.
    """
    with rc_context(STYLE):
        figure, every = _panels(panels)
        for axes, (source, images) in zip(every, panels.values(), strict=True):
            ends = np.stack([np.asarray(source), np.asarray(images)])
            axes.plot(ends[..., 0], ends[..., 1], color=_GREY, linewidth=0.4)
            _dots(axes, source, _GREY)
            _dots(axes, images, _BLUE)
    return figure


def arrows(panels: Mapping[str, ArrayLike], targets: ArrayLike) -> Figure:
    """Velocities at particles.

    Args:
        panels: positions and velocities, (n, 4), by title.
        targets: (m, 2).
    """
    with rc_context(STYLE):
        figure, every = _panels(panels)
        for axes, rows in zip(every, panels.values(), strict=True):
            _dots(axes, targets, _GREY)
            x, y, u, v = np.asarray(rows).T
            axes.quiver(x, y, u, v, color=_BLUE, angles="xy", scale_units="xy", scale=1.0)
    return figure


def landscape(found: Mapping[str, Any]) -> Figure:
    """The energy around a path, and the path.

    Args:
        found: as :func:`~twostep_rs.reproduce.flow_studies.landscape.study` returns it.
    """
    plane = found["landscape"]
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        # Divergences of plans that are not exact may be a little below zero.
        energy = np.log10(np.maximum(plane["energy"], 1e-4))
        levels = left.contourf(plane["first"], plane["second"], energy, levels=20)
        figure.colorbar(levels, ax=left, label=r"$\log_{10}$ Sinkhorn divergence")
        path = np.asarray(plane["path"])
        left.plot(path[:, 0], path[:, 1], "o-", color="white", markersize=3)
        left.set_xlabel("first principal axis")
        left.set_ylabel("second principal axis")
        steps = [row["step"] for row in found["path"]]
        right.plot(steps, [row["energy"] for row in found["path"]], label="Sinkhorn divergence")
        distances = [row["distance"] for row in found["path"]]
        right.plot(steps, distances, label="$W_2^2$ to the explicit flow")
        right.axhline(found["floor"], color=_GREY, linestyle="--", label="sampling floor")
        right.set_xscale("symlog", linthresh=10.0)
        right.set_xlim(0.0, steps[-1])
        right.set_yscale("log")
        right.set_xlabel("training step")
        right.legend()
    return figure


def _panels(titles: Mapping[str, object]) -> tuple[Figure, Sequence[Axes]]:
    columns = min(len(titles), 4)
    lines = -(-len(titles) // columns)
    figure = Figure(figsize=(_SIZE * columns, _SIZE * lines), layout="constrained")
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    every = list(grid.flat)[: len(titles)]
    for axes, title in zip(every, titles, strict=True):
        axes.set_title(title)
        axes.set_aspect("equal")
    return figure, every


def _dots(axes: Axes, points: ArrayLike, color: str) -> None:
    x, y = np.asarray(points).T
    axes.scatter(x, y, s=2, color=color, linewidths=0)
