"""A whole run: every step that is not done yet, in order."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
from typing import TYPE_CHECKING

from twostep_rs.runs import ranks, steps
from twostep_rs.runs.directory import RunDirectory
from twostep_rs.runs.progress import Silent
from twostep_rs.runs.steps.resources import require_device

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twostep_rs.config import Config
    from twostep_rs.experiments import Experiment
    from twostep_rs.runs.progress import Progress
    from twostep_rs.runs.status import Step

ACTIONS: dict[Step, Callable[[RunDirectory, Experiment, Progress], None]] = {
    "simulate": steps.simulate,
    "stage_1": steps.train_stage_1,
    "stage_2": steps.train_stage_2,
    "evaluate": steps.evaluate,
    "converge": steps.converge,
    "plot": steps.plot,
    "report": steps.report,
}
_TRAINING: tuple[Step, ...] = ("stage_1", "stage_2")
_PACKAGES: dict[Step, tuple[str, ...]] = {
    "stage_1": ("torch", "safetensors"),
    "stage_2": ("torch", "safetensors"),
    "evaluate": ("torch", "safetensors"),
    "converge": ("torch", "safetensors"),
    "plot": ("matplotlib",),
}


def run(
    experiment: Experiment,
    config: Config,
    out: Path,
    *,
    progress: Progress | None = None,
    only: tuple[Step, ...] = tuple(ACTIONS),
    clouds_of: Path | None = None,
    stage_1_of: Path | None = None,
) -> RunDirectory:
    """Do every step that is not done yet.

    A run that was stopped or killed goes on where it was, and ends with the same weights (on a
    CPU, with any number of threads).

    Where torchrun started several processes, all call this alike: one leads, does every step and
    writes the files, and the others train beside it.

    Args:
        experiment: what to run.
        config: everything that determines the run.
        out: its directory, which is made, or which an earlier session of the same run left.
        progress: where to report; nowhere by default.
        only: the steps to do; all by default.
        clouds_of: directory of a run of the same clouds, which are taken over.
        stage_1_of: directory of a run that is the same up to stage I, whose clouds and stage I
            are taken over.

    Returns:
        The directory.

    Raises:
        RunDirectoryError: ``out`` holds another run, is in use, or cannot be written; or the run
            whose clouds or stage I are asked for differs, or has none.
        ModuleNotFoundError: a package that a step needs is not installed.
        DeviceError: the device is not there.
        InputError: clouds cannot fill the batches of stage II.
        FileFormatError: a file in ``out`` is damaged.
        KeyboardInterrupt: on Ctrl-C; everything that was checkpointed is kept.
    """
    progress = Silent() if progress is None else progress
    _require_packages(only, experiment)
    require_device(config.device)
    if "stage_2" in only and config.stages == 2:
        config.stage_2.check_fits(config.simulation.particles)
    if ranks.follow(experiment):
        return RunDirectory.open(out)
    directory = RunDirectory.create(out, config)
    with directory.locked():
        if clouds_of is not None:
            steps.adopt_clouds(directory, RunDirectory.open(clouds_of))
        if stage_1_of is not None:
            steps.adopt_stage_1(directory, RunDirectory.open(stage_1_of))
    go_on(directory, experiment, progress, only)
    return directory


def go_on(
    directory: RunDirectory, experiment: Experiment, progress: Progress, only: tuple[Step, ...]
) -> None:
    """Do those of the steps that are not done yet, in a directory that is there.

    Raises:
        RunDirectoryError: it is in use.
        Exception: as for :func:`run`.
    """
    with directory.locked():
        left = tuple(step for step in only if step not in directory.status().done)
        ahead = directory.config.device != "cpu" and "evaluate" in left
        with contextlib.ExitStack() as background:
            actions = dict(ACTIONS)
            for index, step in enumerate(left):
                if ahead and step in _TRAINING:
                    # The CPU begins the evaluation while a GPU trains.
                    floor = background.enter_context(steps.floor_ahead(directory, experiment))
                    actions["evaluate"] = functools.partial(steps.evaluate, yardstick=floor)
                    ahead = False
                ranks.announce(directory, step, left[index + 1 :])
                actions[step](directory, experiment, progress)
        ranks.dismiss()


def _require_packages(only: tuple[Step, ...], experiment: Experiment) -> None:
    """Refuse before hours of work what would fail after them."""
    for step in only:
        packages = _PACKAGES.get(step, ())
        if experiment.references is not None and step in ("evaluate", "converge"):
            packages = (*packages, "scipy")  # of the deterministic reference
        for package in packages:
            if importlib.util.find_spec(package) is None:
                raise ModuleNotFoundError(f"{step} needs {package}", name=package)
