"""Instead of steps 1 and 2: the clouds and the stage I of another run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from twostep_rs.errors import FileFormatError, RunDirectoryError
from twostep_rs.runs import config_file
from twostep_rs.runs.files import write_atomically
from twostep_rs.runs.metrics import read_metrics

if TYPE_CHECKING:
    from pathlib import Path

    from twostep_rs.runs.directory import RunDirectory


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
    mine, its = _until_stage_1(run), _until_stage_1(donor)
    if changed := [key for key in mine if mine[key] != its[key]]:
        key = changed[0]
        raise RunDirectoryError(
            f"{donor.path}: {key}: expected {mine[key]!r}, that of {run.path}, got {its[key]!r}"
        )
    done = donor.status().done
    if "stage_1" not in done:
        raise RunDirectoryError(f"{donor.path}: expected a run with a trained stage I, got none")
    for parameter in run.config.simulation.parameters:
        _copy(donor.cloud(parameter), run.cloud(parameter))
    _copy(donor.checkpoint(1), run.checkpoint(1))
    logged = [json.dumps(row) for row in read_metrics(donor.metrics) if row["stage"] == 1]
    write_atomically(run.metrics, "".join(f"{row}\n" for row in logged).encode())
    for step in ("simulate", "stage_1"):
        run.finish(step, done[step])


def _until_stage_1(run: RunDirectory) -> dict[str, Any]:
    return {
        key: value
        for key, value in config_file.flat(run.config)
        if key in ("experiment", "method", "seed") or key.startswith(("simulation.", "stage_1."))
    }


def _copy(source: Path, target: Path) -> None:
    try:
        content = source.read_bytes()
    except OSError as error:
        raise FileFormatError(f"{source}: expected a file, got {error.strerror}") from error
    write_atomically(target, content)
