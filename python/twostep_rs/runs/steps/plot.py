"""Step 6: the figures, as PNG and PDF."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from twostep_rs.runs.clouds import read_gallery
from twostep_rs.runs.evaluation_file import read_evaluation
from twostep_rs.runs.metrics import read_metrics
from twostep_rs.runs.pictures import write_figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twostep_rs.experiments import Experiment
    from twostep_rs.runs.directory import RunDirectory
    from twostep_rs.runs.progress import Progress
    from twostep_rs.runs.published import PublishedFigure


def plot(run: RunDirectory, experiment: Experiment, progress: Progress) -> None:
    """Draw the figures from the files of the run.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        FileFormatError: a file is missing or damaged.
    """
    from twostep_rs.runs import figures

    start = time.perf_counter()
    simulation = run.config.simulation
    rows, _ = read_evaluation(run.evaluation)
    gallery = read_gallery(run.evaluation_clouds)
    shown = shown_parameters(run)
    with progress.task("plot") as advance:
        curve = figures.w2_curve(
            rows,
            simulation.parameters,
            experiment.axis_label,
            printed_of(run, experiment),
            dyadic=experiment.dyadic,
        )
        write_figure(run.figures, "w2", curve)
        for done, parameter in enumerate(shown, start=1):
            advance(done, len(shown) + 2)
            title = f"{experiment.axis} = {parameter:g}"
            write_figure(
                run.figures, projection(parameter), figures.projections(gallery[parameter], title)
            )
        advance(len(shown) + 1, len(shown) + 2)
        write_figure(run.figures, "losses", figures.losses(read_metrics(run.metrics)))
        for name, shown_as in published_of(run, experiment).items():
            write_figure(run.figures, name, shown_as.draw(run, experiment))
        advance(len(shown) + 2, len(shown) + 2)
    run.finish("plot", time.perf_counter() - start)


def published_of(run: RunDirectory, experiment: Experiment) -> dict[str, PublishedFigure]:
    """The published figures for which this run has the numbers."""
    from twostep_rs.runs import published

    config = run.config
    shown = config.convergence.parameters and config.method == "meanflow" and config.stages == 2
    return published.of_experiment(experiment.name) if shown else {}


def printed_of(run: RunDirectory, experiment: Experiment) -> Mapping[int, Mapping[float, float]]:
    """The published numbers that this run is to be held against: of its method and physics."""
    config = run.config
    if config.simulation.physics != "paper" or config.method != "meanflow":
        return {}
    return {k: values for k, values in experiment.printed.items() if k <= config.stages}


def shown_parameters(run: RunDirectory) -> list[float]:
    """The parameters whose projections are drawn: least, last of the training range, largest."""
    parameters = sorted(run.config.evaluation.parameters)
    high = max(run.config.simulation.parameters)
    inside = [parameter for parameter in parameters if parameter <= high]
    return list(dict.fromkeys([parameters[0], *inside[-1:], parameters[-1]]))


def projection(parameter: float) -> str:
    """Name of the figure with the projections at a parameter."""
    return f"projections-{parameter:g}"
