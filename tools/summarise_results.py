"""Mean over training seeds of W2 squared over floor: ``summarise_results.py RUN...``.

Prints a Markdown table of both stages for the histogram metric, box ``reference``, and the mean
excess over the floor inside the training range.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from math import sqrt
from pathlib import Path
from statistics import mean, stdev


def main(runs: list[Path]) -> None:
    """Print the table of ``runs``, which differ in their seed alone."""
    ratios: dict[tuple[float, int], list[float]] = defaultdict(list)
    inside: dict[float, bool] = {}
    for run in runs:
        for row in json.loads((run / "evaluation.json").read_text())["rows"]:
            if (row["metric"], row["box"]) == ("histogram", "reference"):
                ratio = row["w2_squared"] / row["floor"]
                ratios[row["parameter"], row["stage"]].append(ratio)
                inside[row["parameter"]] = row["training_range"]
    print("| sigma | training range | stage I / floor | stage II / floor | worst stage II |")
    print("|---|---|---|---|---|")
    for parameter, within in inside.items():
        first, second = (ratios[parameter, stage] for stage in (1, 2))
        cells = [f"{parameter:g}", "yes" if within else "no", _mean(first), _mean(second)]
        print("| " + " | ".join([*cells, f"{max(second):.2f}"]) + " |")
    excess = [
        mean(mean(ratios[p, stage]) - 1.0 for p, within in inside.items() if within)
        for stage in (1, 2)
    ]
    print(f"\nMean excess over the floor inside the range: {excess[0]:.2f}, then {excess[1]:.2f}.")


def _mean(values: list[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{mean(values):.2f} ± {stdev(values) / sqrt(len(values)):.2f}"


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
