"""A table of measurements with what it was measured with."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import shlex
import sys
from typing import TYPE_CHECKING, Any

from twostep_rs.runs.environment import environment

if TYPE_CHECKING:
    from collections.abc import Sequence


def record(
    rows: Sequence[dict[str, Any]], rivals: Sequence[str], program: Sequence[str] = ("twostep",)
) -> dict[str, Any]:
    """The rows, the command, the date, the machine and the versions of ``rivals``.

    Args:
        rows: of the table.
        rivals: packages that were measured too, or held against.
        program: first words of the command line, before the arguments of this process.
    """
    versions = {}
    for name in rivals:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "command": shlex.join([*program, *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "environment": environment(),
        "versions": versions,
        "rows": list(rows),
    }
