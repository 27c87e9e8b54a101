"""Figures of the maps on the checkerboard, drawn from the clouds that scores left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from twostep_rs.runs.figures import STYLE
from twostep_rs.systems import Checkerboard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Points = NDArray[np.float32]

_BOARD = Checkerboard()
_EXTENT = 5.0
_BINS = 100
_OUTSIDE = "#F0E442"
_SOURCE, _TEACHER, _MOVED = "#D55E00", "#0072B2", "#7B2D8E"


def clouds_and_assignment(panels: Mapping[str, tuple[Points, Points]]) -> Figure:
    """Figure 3: densities of the images above, and below the square that each source goes to.

    Args:
        panels: source particles and their images, (n, 2) each, by title.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(1.9 * len(panels), 4.0), layout="constrained")
        axes = figure.subplots(2, len(panels), squeeze=False)
        for column, (title, (source, image)) in zip(axes.T, panels.items(), strict=True):
            column[0].hist2d(
                *image.T, bins=_BINS, range=[[-_EXTENT, _EXTENT]] * 2, cmap="magma", rasterized=True
            )
            column[0].set_title(title)
            _assignment(column[1], source, image)
            for panel in column:
                _bare(panel, _EXTENT if panel is column[0] else 3.5)
        return figure


def moved_points(panels: Mapping[str, Mapping[str, Points]], threshold: float) -> Figure:
    """Figure 5: sources whose image is not where the velocity leads, and both images.

    Args:
        panels: clouds ``source``, ``flow`` and ``image``, (n, 2) each, by title.
        threshold: squared distance from which on a point counts as moved.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(2.6 * len(panels), 2.9), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for panel, (title, clouds) in zip(axes, panels.items(), strict=True):
            gaps = np.square(clouds["image"] - clouds["flow"]).sum(axis=1)
            moved = gaps > threshold
            for name, colour in (("flow", _TEACHER), ("source", _SOURCE)):
                panel.scatter(*clouds[name].T, s=0.1, c=colour, lw=0, rasterized=True)
            panel.scatter(*clouds["image"][moved].T, s=1.5, c=_MOVED, lw=0, rasterized=True)
            panel.set_title(f"{title}: {moved.mean():.2%} moved")
            _bare(panel, _EXTENT)
        return figure


def training_curves(curves: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """Losses that are zero for the true map, by step.

    Args:
        curves: pairs of step and loss, by title.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(4.2, 2.8), layout="constrained")
        axes = figure.subplots()
        for title, curve in curves.items():
            axes.plot(*np.array(curve).T, label=title)
        axes.set(xlabel="step", ylabel="loss of a batch", yscale="log")
        axes.legend()
        return figure


def _assignment(axes: Axes, source: Points, image: Points) -> None:
    square = np.clip(np.floor((image + 4.0) / 2.0).astype(int), 0, 3)
    colour = (4 * square[:, 0] + square[:, 1]) // 2
    inside = _BOARD.contains(image)
    palette = ListedColormap(colormaps["tab10"].colors[:8])  # type: ignore[attr-defined]
    style: Any = {"s": 0.6, "lw": 0, "rasterized": True}
    axes.scatter(
        source[inside, 0],
        source[inside, 1],
        c=colour[inside],
        cmap=palette,
        vmin=0,
        vmax=7,
        **style,
    )
    axes.scatter(source[~inside, 0], source[~inside, 1], c=_OUTSIDE, **style)


def _bare(axes: Axes, extent: float) -> None:
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent), xticks=[], yticks=[])
    axes.set_aspect("equal")
