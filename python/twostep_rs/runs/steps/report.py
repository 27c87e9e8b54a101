"""Step 7: the page that a reader looks at."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from twostep_rs.errors import FileFormatError
from twostep_rs.runs import convergence_file, page
from twostep_rs.runs.convergence_file import read_convergence
from twostep_rs.runs.evaluation_file import read_evaluation
from twostep_rs.runs.files import write_atomically
from twostep_rs.runs.steps.plot import printed_of, projection, published_of, shown_parameters

if TYPE_CHECKING:
    from twostep_rs.experiments import Experiment
    from twostep_rs.runs.directory import RunDirectory
    from twostep_rs.runs.progress import Progress


def report(run: RunDirectory, experiment: Experiment, progress: Progress) -> None:
    """Write ``report.html`` from the files of the run.

    Raises:
        FileFormatError: a file is missing or damaged.
    """
    start = time.perf_counter()
    rows, seconds = read_evaluation(run.evaluation)
    with progress.task("report"):
        html = page.render(
            experiment.title,
            run.config,
            rows,
            axis=experiment.axis,
            pictures=_pictures(run, experiment),
            seconds=seconds,
            environment=run.status().environment,
            printed=printed_of(run, experiment),
            tables=_tables(run),
        )
        write_atomically(run.report, html.encode())
    run.finish("report", time.perf_counter() - start)


def _pictures(run: RunDirectory, experiment: Experiment) -> list[page.Picture]:
    captions = {
        "w2": f"W2 squared against {experiment.axis}, and its ratio to the sampling floor. Bars "
        "and band are standard errors; the range of training is shaded, ticks are its parameters."
    }
    for parameter in shown_parameters(run):
        captions[projection(parameter)] = (
            f"Projected densities at {experiment.axis} = {parameter:g}: a fresh reference and "
            "every stage, on common limits and colours."
        )
    for name, figure in published_of(run, experiment).items():
        captions[name] = f"{name.capitalize().replace('-', ' ')}. {figure.text(run.config)}"
    captions["losses"] = "Training losses, every logged row and a running mean."
    return [page.Picture(_read(run, name), caption) for name, caption in captions.items()]


def _tables(run: RunDirectory) -> list[page.Table]:
    if not run.config.convergence.parameters:
        return []
    results = read_convergence(run.convergence)
    return [
        page.Table(
            "Growth rates from cold and learned starts",
            convergence_file.HEADING,
            convergence_file.cells(results),
            convergence_file.caption(results),
        )
    ]


def _read(run: RunDirectory, name: str) -> bytes:
    path = run.figures / f"{name}.png"
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{path}: expected a figure, got {error.strerror}") from error
