"""Print the tables of docs/exact-transport.md, from the FILE of `twostep bench ot --json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

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


def main() -> None:
    """Print speed, then memory."""
    rows = json.loads(Path(sys.argv[1]).read_text())["rows"]
    starts: dict[str, dict[str, Any]] = {}
    for row in rows:
        starts.setdefault(row["problem"], {})[row["start"]] = row
    print("| problem | " + " | ".join(title for title, _, _ in COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for problem, found in starts.items():
        if problem.startswith("memory"):
            continue
        found.setdefault("warm, small move", found.get(HOPS, {}))
        cells = [number(found.get(start, {}).get(key)) for _, key, start in COLUMNS]
        print(f"| {problem} | {' | '.join(cells)} |")
    print("\n| problem | seconds | MB more | gap | largest violation | POT: MB more |")
    print("|---" * 6 + "|")
    for problem, found in starts.items():
        if problem.startswith("memory"):
            row = found["cold"]
            proof = f"{row['gap']:.0e} | {row['max_violation']:.0e}"
            memory = f"{number(row['more_mb'])} | {proof} | {number(row.get('pot_more_mb'))}"
            print(f"| {problem} | {row['ms'] / 1e3:.3g} | {memory} |")


if __name__ == "__main__":
    main()
