"""Figures as files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from twostep_rs.runs.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure


def write_figure(directory: Path, name: str, figure: Figure) -> None:
    """Write ``NAME.png`` and ``NAME.pdf``.

    Raises:
        RunDirectoryError: there is no space or no permission.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    # savefig would lay out and draw each file twice; that is most of the time of a plot.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for kind, write in (
        ("png", FigureCanvasAgg(figure).print_png),
        ("pdf", FigureCanvasPdf(figure).print_pdf),
    ):
        buffer = io.BytesIO()
        write(buffer)
        write_atomically(directory / f"{name}.{kind}", buffer.getvalue())
