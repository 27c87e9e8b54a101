"""Published figures that a run can be drawn as, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.runs import kpp_figures
from twostep_rs.runs.clouds import read_gallery
from twostep_rs.runs.convergence_file import read_convergence
from twostep_rs.runs.evaluation_file import read_evaluation
from twostep_rs.runs.kpp_verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from twostep_rs.config import Config
    from twostep_rs.experiments import Experiment
    from twostep_rs.runs.directory import RunDirectory


@dataclass(frozen=True)
class PublishedFigure:
    """A published figure.

    Attributes:
        experiment: name of the experiment whose run shows it.
        caption: what is drawn, and what it is held against.
        draw: draws it from the files of a run.
        remark: what else there is to say, from the configuration of the run.
    """

    experiment: str
    caption: str
    draw: Callable[[RunDirectory, Experiment], Figure]
    remark: Callable[[Config], str] | None = None

    def text(self, config: Config) -> str:
        """Caption and remark."""
        return self.caption if self.remark is None else f"{self.caption} {self.remark(config)}"


def _laws(run: RunDirectory, _: Experiment) -> Figure:
    # The caption says 2^-4, the text 2^-4.25 for the second row.
    return kpp_figures.laws(_gallery(run, (2.0**-3.75, 2.0**-4.25)))


def _planes(run: RunDirectory, _: Experiment) -> Figure:
    ((kappa, by_stage),) = _gallery(run, (2.0**-4.5,)).items()
    return kpp_figures.planes(by_stage, kappa)


def _distances(metric: str) -> Callable[[RunDirectory, Experiment], Figure]:
    def draw(run: RunDirectory, experiment: Experiment) -> Figure:
        rows, _ = read_evaluation(run.evaluation)
        training = run.config.simulation.parameters
        return kpp_figures.distances(rows, metric, training, experiment.printed)

    return draw


def _convergence(run: RunDirectory, _: Experiment) -> Figure:
    return kpp_figures.convergence(read_convergence(run.convergence))


FIGURES: dict[str, PublishedFigure] = {
    "figure-10": PublishedFigure(
        "kpp2d",
        "Laws on the torus inside and outside the range of training, 72 x 72 cells.",
        _laws,
    ),
    "figure-11": PublishedFigure(
        "kpp2d",
        "W2 squared to the law, periodic histograms of 72 x 72 cells, beside the printed numbers.",
        _distances("histogram"),
    ),
    "figure-12": PublishedFigure(
        "kpp2d",
        "Running estimates of the speed, (mu0 + r) / lambda, from cold and learned starts.",
        _convergence,
        lambda config: verdict(config.evaluation.parameters),
    ),
    "figure-13": PublishedFigure(
        "kpp3d",
        "Coordinate planes at the smallest diffusivity, 72 x 72 cells.",
        _planes,
    ),
    "figure-14": PublishedFigure(
        "kpp3d",
        "W2 squared on the plane (x1, x3), beside the printed numbers.",
        _distances("histogram x1 x3"),
    ),
    "figure-15": PublishedFigure(
        "kpp3d",
        "Running estimates of the speed, (mu0 + r) / lambda, from cold and learned starts.",
        _convergence,
    ),
}
"""By name; figure 15 has no published numbers."""


def of_experiment(name: str) -> dict[str, PublishedFigure]:
    """The figures that a run of an experiment can be drawn as."""
    return {key: figure for key, figure in FIGURES.items() if figure.experiment == name}


def _gallery(
    run: RunDirectory, wanted: tuple[float, ...]
) -> dict[float, dict[int, NDArray[np.float64]]]:
    """Clouds at the wanted parameters, or at the nearest that were evaluated."""
    gallery = read_gallery(run.evaluation_clouds)
    nearest = [min(gallery, key=lambda kappa: abs(kappa - want)) for want in wanted]
    return {kappa: gallery[kappa] for kappa in dict.fromkeys(nearest)}
