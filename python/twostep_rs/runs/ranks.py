"""Runs by several processes: one leads and writes the files, the others train beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from twostep_rs.runs import steps
from twostep_rs.runs.directory import RunDirectory

if TYPE_CHECKING:
    from twostep_rs.experiments import Experiment
    from twostep_rs.runs.status import Step

_STAGES = ("stage_1", "stage_2")


def follow(experiment: Experiment) -> bool:
    """Train beside the process that leads until it dismisses this one.

    Returns:
        Whether this one follows; if not, it leads or is alone.
    """
    if not _several():
        return False
    from twostep_rs.training import distributed

    if distributed.join().leads:
        return False
    while (call := distributed.told(None)) is not None:
        path, step = call
        steps.follow(RunDirectory.open(Path(path)), experiment, 1 if step == "stage_1" else 2)
    distributed.leave()
    return True


def announce(run: RunDirectory, step: Step, then: tuple[Step, ...]) -> None:
    """Call those who follow to a step, or dismiss them where no step of theirs is left.

    Args:
        run: of the step.
        step: what is done now.
        then: what is done after it.
    """
    if not _several():
        return
    from twostep_rs.training import distributed

    if step in _STAGES:
        distributed.told((str(run.path.resolve()), step))
    elif not any(later in _STAGES for later in then) and distributed.ranks().several:
        dismiss()


def dismiss() -> None:
    """Let those who follow go, if they are still there."""
    if not _several():
        return
    from twostep_rs.training import distributed

    if distributed.ranks().several:
        distributed.told(None)
        distributed.leave()


def _several() -> bool:
    """Whether torchrun started several processes; a run that is alone needs no torch to know."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1
