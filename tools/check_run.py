"""Check that a run is whole: ``check_run.py DIRECTORY``.

Every parameter of the evaluation has a row for each stage, metric and box; the numbers are finite
and positive; the report stands alone.
"""

from __future__ import annotations

import itertools
import json
import math
import sys
import tomllib
from pathlib import Path


def main(run: Path) -> None:
    """Check ``run``; raises at the first thing that does not hold."""
    evaluation = tomllib.loads((run / "config.toml").read_text())["evaluation"]
    document = json.loads((run / "evaluation.json").read_text())
    rows = document["rows"]

    for row in rows:
        for key in ("w2_squared", "floor"):
            if not (math.isfinite(row[key]) and row[key] > 0):
                raise SystemExit(f"evaluation.json: {key}: expected a positive number in {row}")
        if row["n"] != evaluation["particles"]:
            raise SystemExit(f"evaluation.json: n: expected {evaluation['particles']} in {row}")

    present = {(row["stage"], row["parameter"], row["metric"], row["box"]) for row in rows}
    kinds = [
        (metric, box if metric == "histogram" else None)
        for metric in evaluation["metrics"]
        for box in (evaluation["boxes"] if metric == "histogram" else [None])
    ]
    expected = {
        (stage, parameter, *kind)
        for stage, parameter, kind in itertools.product((1, 2), evaluation["parameters"], kinds)
    }
    if missing := expected - present:
        raise SystemExit(f"evaluation.json: rows are missing: {sorted(missing, key=str)}")

    report = (run / "report.html").read_text()
    if "<table" not in report or 'src="http' in report:
        raise SystemExit("report.html: expected a table and no resources from elsewhere")
    print(f"{run.name}: {len(rows)} rows, seconds: {document['seconds']}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
