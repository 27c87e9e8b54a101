"""What a command is, and what several share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import tyro

from twostep_rs import experiments
from twostep_rs.runs.directory import RunDirectory

if TYPE_CHECKING:
    from pathlib import Path

    from twostep_rs.experiments import Experiment


class Command(Protocol):
    """A command with its arguments."""

    def run(self) -> None:
        """Do it."""
        ...


def open_run(path: Path) -> tuple[RunDirectory, Experiment]:
    """A run that exists, and its experiment.

    Raises:
        FileFormatError: there is no run.
        ConfigError: its configuration cannot be read, or names an unknown experiment.
    """
    directory = RunDirectory.open(path)
    return directory, experiments.get(directory.config.experiment)


def option(default: str, metavar: str | None = None) -> Any:
    """An option that may be left out, with its default said in words."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")
