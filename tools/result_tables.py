"""Tables of files of results that are not means over seeds of an evaluation."""

from __future__ import annotations

import json
import math
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_STEPS = {
    "simulate": "simulation",
    "stage_1": "stage I",
    "stage_2": "stage II",
    "couplings": "of it waiting for couplings",
    "evaluate": "what was left of the evaluation",
    "plot": "figures",
}


def table_of(file: Path) -> str:
    """What the results page says of a file, by the kind of it."""
    for beginning, table in _TABLES.items():
        if file.name.startswith(beginning):
            return table(file)
    raise SystemExit(f"{file}: expected a name that begins with one of {list(_TABLES)}")


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table whose first line is its head."""
    head, *rest = lines
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rest))


def _seconds(status: Path) -> str:
    """The seconds of the steps of a run."""
    done = json.loads(status.read_text(encoding="utf-8"))["done"]
    parts = [f"{name} {done[step]:.1f}" for step, name in _STEPS.items() if step in done]
    return f"Seconds: {', '.join(parts)}."


def _training(record: Path) -> str:
    """Both tables of ``twostep bench training``."""
    rows = json.loads(record.read_text(encoding="utf-8"))["rows"]
    first = [["stage I step", "batch", "ms", "times eager"]]
    second = [
        ["stage II", "steps", "steps/s", "waiting for couplings", "idle", "lag", "times torchcfm"]
    ]
    for row in rows:
        if row["case"] == "stage I step":
            milliseconds, times = f"{row['milliseconds']:.3f}", f"{row['times_eager']:.1f}"
            first.append([row["method"], str(row["batch"]), milliseconds, times])
        else:
            line = [row["method"], str(row["steps"]), f"{row['steps_per_second']:.3g}"]
            line += [f"{row['share_of_couplings']:.3f}", f"{row['idle_share']:.2f}"]
            line += [f"{row['coupling_lag']:g}", f"{row['speed']:.1f}"]
            second.append(line)
    return f"{markdown(first)}\n\n{markdown(second)}"


def _sampling(record: Path) -> str:
    """What ``twostep bench sampling`` measured."""
    rows = json.loads(record.read_text(encoding="utf-8"))["rows"]
    lines = [["method", "particles", "threads", "seconds", "slowest repeat"]]
    for row in rows:
        seconds = [f"{row[name]:.4f}" for name in ("seconds", "slowest")]
        lines.append([row["method"], str(row["particles"]), str(row["threads"]), *seconds])
    return markdown(lines)


def _held_out(file: Path) -> str:
    """Ratios to the floor of every order of batches, means over seeds."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if row["metric"] == "histogram"]
    parameters = sorted({row["parameter"] for row in rows})
    lines = [["pairs", "steps of stage I", "stage II", "seeds", *(f"{p:g}" for p in parameters)]]
    groups = _grouped(rows, lambda row: (row["coupling"], row["stage_1_steps"], _order(row)))
    for (coupling, steps, order), found in groups.items():
        seeds = {row["seed"] for row in found}
        line = [coupling, str(steps), order, str(len(seeds))]
        by_parameter = _grouped(found, lambda row: row["parameter"])
        lines.append([*line, *(_spread(by_parameter[p]) for p in parameters)])
    return markdown(lines)


def _order(row: Mapping[str, Any]) -> str:
    return str(row["order"]) if row["stage"] == 2 else "none"


def _grouped(
    rows: Sequence[dict[str, Any]], key: Callable[[dict[str, Any]], Any]
) -> dict[Any, list[dict[str, Any]]]:
    groups: dict[Any, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: str(key(row))):
        groups.setdefault(key(row), []).append(row)
    return groups


def _spread(rows: Sequence[Mapping[str, Any]]) -> str:
    """Mean and its standard error over seeds; the references' of one seed."""
    ratios = [row["w2_squared"] / row["floor"] for row in rows]
    if len(ratios) > 1:
        error = stdev(ratios) / math.sqrt(len(ratios))
    else:
        error = rows[0]["standard_error"] / rows[0]["floor"]
    return f"{mean(ratios):.2f} ± {error:.2f}"


_TABLES: dict[str, Callable[[Path], str]] = {
    "status": _seconds,
    "held-out": _held_out,
    "training": _training,
    "sampling": _sampling,
}
