"""Runs that compete: on the same clouds, before the same references, beside the same floor."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from twostep_rs import experiments
from twostep_rs.reproduce import yardsticks
from twostep_rs.reproduce.costs import Cost, cost, sampling
from twostep_rs.reproduce.entries import common, entry_run
from twostep_rs.reproduce.job import DIVERGED, Computation, RunJob
from twostep_rs.runs.clouds import write_gallery
from twostep_rs.runs.directory import RunDirectory
from twostep_rs.runs.evaluation import Row
from twostep_rs.runs.files import read_json
from twostep_rs.runs.steps import samplers

if TYPE_CHECKING:
    from collections.abc import Sequence, Sized
    from pathlib import Path

    from twostep_rs.config import Coupling
    from twostep_rs.reproduce.entries import Entry
    from twostep_rs.reproduce.job import Place
    from twostep_rs.reproduce.store import Store
    from twostep_rs.reproduce.target import Request
    from twostep_rs.runs.status import Step
    from twostep_rs.systems.keller_segel import Physics

_TRAIN: tuple[Step, ...] = ("simulate", "stage_1", "stage_2")
_GALLERY = "clouds.npz"


def clouds_run(
    experiment: str, request: Request, seed: int, physics: Physics | None = None
) -> RunJob:
    """The training clouds of a seed; the arguments are those of `entry_run`."""
    variant = "" if physics is None else f"-{physics}"
    return RunJob(
        f"{experiment}/{request.preset}{variant}-clouds-s{seed}",
        common(experiment, request, seed, physics),
        only=("simulate",),
    )


def competitor(
    entry: Entry,
    experiment: str,
    request: Request,
    seed: int,
    *,
    physics: Physics | None = None,
    coupling: Coupling | None = None,
    options_of: Computation | None = None,
) -> RunJob:
    """The training of an entry on the clouds of its seed.

    Args:
        entry: the method.
        experiment: name of the problem.
        request: as for `entry_run`.
        seed: of clouds and training.
        physics: constants and time step; those of the preset by default.
        coupling: of the pairs; that of the preset by default.
        options_of: the search for the options of the method.
    """
    run = entry_run(entry, experiment, request, seed, physics=physics, coupling=coupling)
    return dataclasses.replace(
        run,
        name=f"{run.name}-searched" if options_of is not None else run.name,
        only=_TRAIN,
        clouds_of=clouds_run(experiment, request, seed, physics),
        options_of=options_of,
        may_diverge=True,
    )


def scores(run: RunJob) -> Computation:
    """The job that measures a run by the references of its seed."""
    shared = yardsticks.yardsticks(run.config)
    return Computation(
        f"{run.name}-scores",
        score,
        {"run": run.name, "references": [job.name for job in shared]},
        needs=(run, *shared),
    )


def rows_of_scores(store: Store, runs: Sequence[RunJob]) -> list[tuple[Row, ...]]:
    """What was measured of every run; nothing where its training has diverged."""
    return [tuple(Row(**row) for row in store.document(scores(run))["rows"]) for run in runs]


def costs_of(store: Store, runs: Sequence[RunJob]) -> list[Cost | None]:
    """What every run has cost; None where its training has diverged."""
    sampled = [store.document(scores(run))["sampling"] for run in runs]
    return [each and cost(store, run, each) for run, each in zip(runs, sampled, strict=True)]


def lost(seeds: Sequence[Sized]) -> str:
    """What a table says behind the title of a method, of whose seeds these are rows or scores."""
    count = sum(not rows for rows in seeds)
    if not count:
        return ""
    return " (diverged)" if count == len(seeds) else f" ({count} of {len(seeds)} seeds diverged)"


def gallery(store: Store, run: RunJob) -> Path:
    """The clouds of the evaluation of a run."""
    return store.path(scores(run)) / _GALLERY


def score(place: Place, run: str, references: Sequence[str]) -> dict[str, Any]:
    """Measure the stages of a run, and what it takes to sample.

    Args:
        place: of the job.
        run: name of the run.
        references: names of the jobs that have references and floors.

    Returns:
        ``rows`` of the evaluation and ``sampling``, what it takes; none of both where training has
        diverged, and ``diverged``, which says in what stage and why.
    """
    from twostep_rs.training.model import load

    if (place.needed[run] / DIVERGED).exists():
        return {"rows": [], "sampling": None, "diverged": read_json(place.needed[run] / DIVERGED)}
    directory = RunDirectory.open(place.needed[run])
    config = directory.config
    system = experiments.get(config.experiment).system(config.simulation.physics)
    model = load(directory.path, system=system, device=config.device)
    found = yardsticks.measured(
        samplers(model),
        config,
        [place.needed[name] for name in references],
        method="two-step" if config.method == "meanflow" else config.method,
    )
    write_gallery(place.directory / _GALLERY, found.clouds)
    return {
        "rows": [dataclasses.asdict(row) for row in found.rows],
        "sampling": sampling(model, config.simulation.parameters[-1]),
    }
