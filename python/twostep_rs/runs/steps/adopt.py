"""Instead of steps 1 and 2: the clouds of another run, or these and its stage I."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from twostep_rs.errors import FileFormatError, RunDirectoryError
from twostep_rs.runs import config_file
from twostep_rs.runs.files import write_atomically
from twostep_rs.runs.metrics import read_metrics

if TYPE_CHECKING:
    from pathlib import Path

    from twostep_rs.runs.directory import RunDirectory


_CLOUDS = ("experiment", "seed", "simulation.")
_STAGE_1 = (*_CLOUDS, "method", "stage_1.")


def adopt_clouds(run: RunDirectory, donor: RunDirectory) -> None:
    """Take over the clouds of a run that is the same up to there.

    The seconds of the step are those that the other run took. Where the run has its clouds already
    nothing happens.

    Raises:
        RunDirectoryError: the runs differ in what makes clouds, or the other has none yet.
        FileFormatError: a file of the other run is missing or damaged.
    """
    if "simulate" in run.status().done:
        return
    _require_same(run, donor, _CLOUDS)
    done = donor.status().done
    if "simulate" not in done:
        raise RunDirectoryError(f"{donor.path}: expected a run with clouds, got none")
    _copy_clouds(run, donor)
    run.finish("simulate", done["simulate"])


def adopt_stage_1(run: RunDirectory, donor: RunDirectory) -> None:
    """Take over clouds and stage I of a run that is the same up to there.

    The seconds of these steps are those that the other run took. Where the run has a stage I
    already nothing happens.

    Raises:
        RunDirectoryError: the runs differ before stage II, or the other has no stage I yet.
        FileFormatError: a file of the other run is missing or damaged.
    """
    if "stage_1" in run.status().done:
        return
    _require_same(run, donor, _STAGE_1)
    done = donor.status().done
    if "stage_1" not in done:
        raise RunDirectoryError(f"{donor.path}: expected a run with a trained stage I, got none")
    _copy_clouds(run, donor)
    _copy(donor.checkpoint(1), run.checkpoint(1))
    logged = [json.dumps(row) for row in read_metrics(donor.metrics) if row["stage"] == 1]
    write_atomically(run.metrics, "".join(f"{row}\n" for row in logged).encode())
    for step in ("simulate", "stage_1"):
        run.finish(step, done[step])


def _require_same(run: RunDirectory, donor: RunDirectory, parts: tuple[str, ...]) -> None:
    """Refuse a donor that differs in keys that begin with one of ``parts``."""
    its = dict(config_file.flat(donor.config))
    for key, value in config_file.flat(run.config):
        if key.startswith(parts) and its.get(key) != value:
            raise RunDirectoryError(
                f"{donor.path}: {key}: expected {value!r}, that of {run.path}, got {its.get(key)!r}"
            )


def _copy_clouds(run: RunDirectory, donor: RunDirectory) -> None:
    for parameter in run.config.simulation.parameters:
        _copy(donor.cloud(parameter), run.cloud(parameter))


def _copy(source: Path, target: Path) -> None:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{source}: expected a file, got {error.strerror}") from error
    write_atomically(target, content)
