"""Figures 10 to 15: laws and growth rates of KPP fronts."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from twostep_rs import experiments
from twostep_rs.reproduce.claims import Claim, verdict_of
from twostep_rs.reproduce.runs_of import rows_of, run_directory, whole_run
from twostep_rs.reproduce.scores import curve, lower, numbers
from twostep_rs.reproduce.target import Request, Summary, Target
from twostep_rs.runs.convergence import COLD
from twostep_rs.runs.convergence_file import HEADING, by_kappa, caption, cells, read_convergence
from twostep_rs.runs.kpp_verdict import candidates, verdict
from twostep_rs.runs.page import Table
from twostep_rs.runs.table import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.figure import Figure

    from twostep_rs.config import Config
    from twostep_rs.experiments import Experiment
    from twostep_rs.reproduce.job import RunJob
    from twostep_rs.reproduce.store import Store

_PAPER = "Two-Step Diffusion, section 6.5"


def _jobs(experiment: str, request: Request) -> list[RunJob]:
    return [whole_run(experiment, request, seed) for seed in request.seeds]


def _drawn(name: str, experiment: Experiment, store: Store, job: RunJob) -> dict[str, Figure]:
    """The figure from the first run."""
    from twostep_rs.runs.published import FIGURES

    return {name: FIGURES[name].draw(run_directory(store, job), experiment)}


def _picture(name: str, experiment: str, request: Request, store: Store) -> Summary:
    jobs = _jobs(experiment, request)
    known = experiments.get(experiment)
    return Summary({"runs": [job.name for job in jobs]}, (), _drawn(name, known, store, jobs[0]))


def _distances(name: str, experiment: str, metric: str, request: Request, store: Store) -> Summary:
    jobs, known = _jobs(experiment, request), experiments.get(experiment)
    rows = rows_of(store, jobs)
    first, second = (curve(rows, Kind(metric, None), stage) for stage in (1, 2))
    table = Table(
        "W2 squared to the law",
        ("-log2 kappa", "floor", "stage I", "printed", "stage II", "printed", "training range"),
        [
            [
                f"{-math.log2(kappa):.2f}",
                f"{first[kappa].floor:.5f}",
                str(first[kappa]),
                _printed(known, 1, kappa),
                str(second[kappa]),
                _printed(known, 2, kappa),
                "yes" if first[kappa].training_range else "no",
            ]
            for kappa in first
        ],
        f"{metric.capitalize()}, periodic, 72 cells an axis; mean over {len(jobs)} seeds ± its "
        "standard error. Printed as W2; their size beside the floor says W2 squared.",
    )
    below = lower(second, first)
    printed = {kappa: known.printed[2][kappa] for kappa in second if kappa in known.printed[2]}
    ahead = [kappa for kappa, value in printed.items() if second[kappa].value < value]
    claims = [
        Claim(
            "refinement lowers the distance at every diffusivity",
            verdict_of(len(below) == len(first)),
            f"stage II is below stage I at {len(below)} of {len(first)}",
        ),
        Claim(
            "printed distances of the refined map",
            "better" if printed and len(ahead) == len(printed) else "not reproduced",
            f"ours are below the printed ones at {len(ahead)} of {len(printed)}",
        ),
    ]
    return Summary(
        numbers({"stage I": first, "stage II": second}),
        [table],
        _drawn(name, known, store, jobs[0]),
        claims,
    )


def _printed(experiment: Experiment, stage: int, kappa: float) -> str:
    """Nothing where the diffusivity is none of the paper's."""
    values = experiment.printed[stage]
    return f"{values[kappa]:.5f}" if kappa in values else ""


def _growth(
    name: str,
    experiment: str,
    request: Request,
    store: Store,
    more: Callable[[Config], Sequence[Claim]] = lambda config: (),
) -> Summary:
    jobs, known = _jobs(experiment, request), experiments.get(experiment)
    studies = [read_convergence(run_directory(store, job).convergence) for job in jobs]
    tables = [
        Table(f"Starts, seed {seed} of training", HEADING, cells(study), caption(study))
        for seed, study in zip(request.seeds, studies, strict=True)
    ]
    first = [
        {"kappa": kappa, "start": start, "error": result.first.error, "arrival": result.arrival}
        for study in studies
        for kappa, starts in by_kappa(study).items()
        for start, result in starts.items()
    ]
    return Summary(
        {"first generation": first},
        tables,
        _drawn(name, known, store, jobs[0]),
        [_warm_start_claim(first), *more(jobs[0].config)],
    )


def _plateau_claim(config: Config) -> list[Claim]:
    kappas = config.evaluation.parameters
    fits = any(candidate.fits for candidate in candidates(kappas))
    return [
        Claim(
            "estimates settle at 0.775 to 0.788",
            verdict_of(fits),
            " ".join(verdict(kappas).split()),
        )
    ]


def _warm_start_claim(first: Sequence[dict[str, Any]]) -> Claim:
    def worst(start: str) -> float:
        return max(float(row["error"]) for row in first if row["start"] == start)

    cold, warm = worst(COLD), worst("stage II")
    return Claim(
        "a refined start is nearly unbiased from the first generation",
        verdict_of(warm < 0.2 * cold),
        f"largest mean error of c after one generation {warm:.4f}, from cold {cold:.4f}",
    )


TARGETS = (
    Target(
        "figure-10",
        "laws in the cellular flow",
        f"{_PAPER}, figure 10",
        functools.partial(_jobs, "kpp2d"),
        functools.partial(_picture, "figure-10", "kpp2d"),
    ),
    Target(
        "figure-11",
        "distance to the law in the cellular flow",
        f"{_PAPER}, figure 11",
        functools.partial(_jobs, "kpp2d"),
        functools.partial(_distances, "figure-11", "kpp2d", "histogram"),
    ),
    Target(
        "figure-12",
        "front speed in the cellular flow from cold and learned starts",
        f"{_PAPER}, figure 12",
        functools.partial(_jobs, "kpp2d"),
        functools.partial(_growth, "figure-12", "kpp2d", more=_plateau_claim),
    ),
    Target(
        "figure-13",
        "laws in the Kolmogorov flow",
        f"{_PAPER}, figure 13",
        functools.partial(_jobs, "kpp3d"),
        functools.partial(_picture, "figure-13", "kpp3d"),
        most_seeds=3,
    ),
    Target(
        "figure-14",
        "distance to the law in the Kolmogorov flow",
        f"{_PAPER}, figure 14",
        functools.partial(_jobs, "kpp3d"),
        functools.partial(_distances, "figure-14", "kpp3d", "histogram x1 x3"),
        most_seeds=3,
    ),
    Target(
        "figure-15",
        "front speed in the Kolmogorov flow from cold and learned starts",
        f"{_PAPER}, figure 15, which prints no numbers",
        functools.partial(_jobs, "kpp3d"),
        functools.partial(_growth, "figure-15", "kpp3d"),
        most_seeds=3,
    ),
)
