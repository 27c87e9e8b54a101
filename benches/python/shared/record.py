"""A table of measurements with what it was measured with."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import twostep_rs as ts

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def record(
    options: argparse.Namespace, load: float, rows: list[dict[str, Any]], rivals: Sequence[str]
) -> dict[str, Any]:
    """The rows, the command, the machine and the versions of ``rivals``."""
    return {
        "command": shlex.join(["python", *sys.argv]),
        "seed": options.seed,
        "repeats": options.repeats,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "hardware": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "simd": ts.build_info()["simd"],
            "load_average_before": round(load, 2),
        },
        "versions": {
            "twostep_rs": ts.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in rivals},
        },
        "rows": rows,
    }


def processor() -> str:
    """Name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
