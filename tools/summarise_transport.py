"""Print the tables of docs/exact-transport.md, from the FILE of `twostep bench ot --json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from result_tables import markdown

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Columns beside the cold solve, with the key of a row and the start that it belongs to.
COLUMNS = [
    ("cold, ms", "ms", "cold"),
    ("POT", "times_pot", "cold"),
    ("POT lazy", "times_pot_lazy", "cold"),
    ("SciPy", "times_scipy", "cold"),
    ("lapx", "times_lapx", "cold"),
    ("pylmcf", "times_pylmcf", "cold"),
    ("2 threads", "speed_of_2_threads", "cold"),
    ("warm, small: POT", "times_pot", "warm, small move"),
    ("POT warm", "times_pot_warm", "warm, small move"),
    ("larger: POT", "times_pot", "warm, larger move"),
    ("POT warm", "times_pot_warm", "warm, larger move"),
]
HOPS = "warm, a tenth hops"


def number(value: Any) -> str:
    """Two significant digits, whole numbers from ten on."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.2g}"


def tables(rows: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """Speed, and memory with the certificates, of the rows of a record."""
    starts: dict[str, dict[str, Any]] = {}
    for row in rows:
        starts.setdefault(row["problem"], {})[row["start"]] = row
    speed = [["problem", *(title for title, _, _ in COLUMNS)]]
    memory = [["problem", "seconds", "MB more", "gap", "largest violation", "POT: MB more"]]
    for problem, found in starts.items():
        if problem.startswith("memory"):
            row = found["cold"]
            proof = [f"{row['gap']:.0e}", f"{row['max_violation']:.0e}"]
            pot = number(row.get("pot_more_mb"))
            memory.append([problem, f"{row['ms'] / 1e3:.3g}", number(row["more_mb"]), *proof, pot])
            continue
        found.setdefault("warm, small move", found.get(HOPS, {}))
        cells = [number(found.get(start, {}).get(key)) for _, key, start in COLUMNS]
        speed.append([problem, *cells])
    return markdown(speed), markdown(memory)


if __name__ == "__main__":
    print("\n\n".join(tables(json.loads(Path(sys.argv[1]).read_text())["rows"])))
