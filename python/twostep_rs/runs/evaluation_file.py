"""``evaluation.json``: the rows of an evaluation and the seconds of every step."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from twostep_rs.errors import FileFormatError
from twostep_rs.runs.evaluation import Row
from twostep_rs.runs.files import read_json, take, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_NUMBER = (int, float)
_KINDS: dict[str, type | tuple[type, ...]] = {
    "method": str,
    "stage": int,
    "parameter": _NUMBER,
    "training_range": bool,
    "seed": int,
    "metric": str,
    "box": (str, type(None)),
    "w2_squared": _NUMBER,
    "standard_error": _NUMBER,
    "floor": _NUMBER,
    "floor_standard_error": _NUMBER,
    "n": int,
}


def write_evaluation(path: Path, rows: Iterable[Row], seconds: Mapping[str, float]) -> None:
    """Write ``{"rows": [...], "seconds": {...}}`` atomically.

    Raises:
        RunDirectoryError: there is no space or no permission.
    """
    write_json(path, {"rows": [dataclasses.asdict(row) for row in rows], "seconds": dict(seconds)})


def read_evaluation(path: Path) -> tuple[tuple[Row, ...], dict[str, float]]:
    """Read rows and seconds.

    Raises:
        FileFormatError: the file is missing, truncated or foreign, or a field does not fit.
    """
    document = read_json(path)
    rows = tuple(
        _row(path, row, f"rows[{k}].") for k, row in enumerate(take(path, document, "rows", list))
    )
    seconds = take(path, document, "seconds", dict)
    return rows, {name: float(take(path, seconds, name, _NUMBER)) for name in seconds}


def _row(path: Path, row: Any, place: str) -> Row:
    values = {}
    for key, kind in _KINDS.items():
        value = values[key] = take(path, row, key, kind)
        if isinstance(value, float) and not math.isfinite(value):
            raise FileFormatError(f"{path}: {place}{key}: expected a finite number, got {value}")
    if values["floor"] <= 0 or values["w2_squared"] <= 0:
        raise FileFormatError(f"{path}: {place}floor, w2_squared: expected positive numbers")
    return Row(**values)
