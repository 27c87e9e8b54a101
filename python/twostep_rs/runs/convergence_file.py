"""``convergence.json``: growth rates from every start, and the table of them."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from twostep_rs.errors import FileFormatError
from twostep_rs.runs.convergence import ARRIVAL, COLD, Convergence, Estimate
from twostep_rs.runs.files import read_json, take, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_NUMBER = (int, float)
_ESTIMATE: dict[str, Any] = {
    "generations": int,
    "mean": _NUMBER,
    "deviation": _NUMBER,
    "error": _NUMBER,
    "error_standard_error": _NUMBER,
    "bias": _NUMBER,
}
_RESULT: dict[str, Any] = {
    "kappa": _NUMBER,
    "start": str,
    "training_range": bool,
    "reference": _NUMBER,
    "relaxation": _NUMBER,
    "seeds": int,
    "estimates": list,
    "arrival": (int, type(None)),
}


def write_convergence(path: Path, results: Iterable[Convergence], made_of: str = "") -> None:
    """Write ``{"results": [...], "of": made_of}`` atomically.

    Args:
        path: of the file.
        results: to write.
        made_of: fingerprint of everything that determines them.

    Raises:
        RunDirectoryError: there is no space or no permission.
    """
    rows = [dataclasses.asdict(result) for result in results]
    write_json(path, {"results": rows, "of": made_of})


def read_begun(path: Path, made_of: str) -> list[Convergence]:
    """The results of a session that was stopped, if they were made of the same.

    Raises:
        FileFormatError: the file is truncated or foreign.
    """
    if not path.exists() or read_json(path).get("of") != made_of:
        return []
    return read_convergence(path)


def read_convergence(path: Path) -> list[Convergence]:
    """Read what :func:`write_convergence` wrote.

    Raises:
        FileFormatError: the file is missing, truncated or foreign, or a field does not fit.
    """
    found = []
    for result in take(path, read_json(path), "results", list):
        fields = _fields(path, result, _RESULT)
        estimates = tuple(
            Estimate(**_fields(path, estimate, _ESTIMATE)) for estimate in fields.pop("estimates")
        )
        if not estimates:
            raise FileFormatError(f"{path}: estimates: expected at least one, got none")
        found.append(Convergence(estimates=estimates, **fields))
    return found


def _fields(path: Path, mapping: Any, kinds: dict[str, Any]) -> dict[str, Any]:
    values = {key: take(path, mapping, key, kind) for key, kind in kinds.items()}
    for key, value in values.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise FileFormatError(f"{path}: {key}: expected a finite number, got {value}")
    return values


def by_kappa(results: Sequence[Convergence]) -> dict[float, dict[str, Convergence]]:
    """Results by diffusivity and start."""
    chosen: dict[float, dict[str, Convergence]] = {}
    for result in results:
        chosen.setdefault(result.kappa, {})[result.start] = result
    return chosen


HEADING = (
    "-log2 kappa",
    "relaxation",
    "start",
    "c of generation 1",
    "its mean error",
    "cold / this",
    "generations to 0.5 %",
    "pays",
)


def cells(results: Sequence[Convergence]) -> list[list[str]]:
    """Lines of the table: what the first generation says, and how many it takes."""
    lines = []
    for kappa, starts in by_kappa(results).items():
        cold = starts[COLD]
        for name, result in starts.items():
            first, most = result.first, result.estimates[-1].generations
            gain = cold.first.error / first.error if first.error else math.inf
            lines.append(
                [
                    f"{-math.log2(kappa):.2f}{'' if result.training_range else ' *'}",
                    f"{result.relaxation:.1f}",
                    name,
                    f"{first.mean:.5f}",
                    f"{first.error:.5f} ± {first.error_standard_error:.5f}",
                    "" if name == COLD else f"{gain:.1f}",
                    f"over {most}" if result.arrival is None else str(result.arrival),
                    "" if name == COLD else _verdict(result, cold),
                ]
            )
    return lines


def text(results: Sequence[Convergence]) -> str:
    """The table for a terminal, with what its numbers are."""
    lines = [list(HEADING), *cells(results)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    printed = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([printed[0], "-" * len(printed[0]), *printed[1:], "", caption(results)])


def caption(results: Sequence[Convergence]) -> str:
    """What the numbers of the table are."""
    return (
        f"c = (mu0 + r) / lambda, running means over {results[0].seeds} seeds; errors are mean "
        "absolute differences to the deterministic reference, ± their standard errors; the last "
        f"number of generations is the one from which the mean error stays below {ARRIVAL:.1%} of "
        "the reference; * lies outside the range of training"
    )


def _verdict(result: Convergence, cold: Convergence) -> str:
    """Whether the start reaches the reference in fewer generations than the cold one."""
    here = math.inf if result.arrival is None else result.arrival
    there = math.inf if cold.arrival is None else cold.arrival
    if here < there:
        return "yes"
    return "no" if here > there or here == math.inf else "equal"
