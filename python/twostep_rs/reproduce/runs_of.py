"""Runs of experiments as jobs, which targets share by their names."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from twostep_rs import experiments
from twostep_rs.reproduce.job import RunJob
from twostep_rs.runs.directory import RunDirectory
from twostep_rs.runs.evaluation_file import read_evaluation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.reproduce.store import Store
    from twostep_rs.reproduce.target import Request
    from twostep_rs.runs.evaluation import Row
    from twostep_rs.systems.keller_segel import Physics


def whole_run(
    experiment: str, request: Request, seed: int, physics: Physics | None = None
) -> RunJob:
    """The run of an experiment that ``twostep run`` makes by the same preset, as it is asked for.

    Args:
        experiment: name of it.
        request: preset and device.
        seed: of the run.
        physics: constants and time step; those of the preset by default.
    """
    config = experiments.get(experiment).config(request.preset)
    if physics is not None:
        simulation = dataclasses.replace(config.simulation, physics=physics)
        config = dataclasses.replace(config, simulation=simulation)
    variant = "" if physics is None else f"-{physics}"
    name = f"{experiment}/{request.preset}{variant}-s{seed}"
    return RunJob(name, request.configured(config, seed))


def run_directory(store: Store, job: RunJob) -> RunDirectory:
    """The directory that a run left."""
    return RunDirectory.open(store.path(job))


def rows_of(store: Store, jobs: Sequence[RunJob]) -> list[tuple[Row, ...]]:
    """The rows of every run's evaluation."""
    return [read_evaluation(run_directory(store, job).evaluation)[0] for job in jobs]
