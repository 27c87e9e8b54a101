"""The check of two thousand instances, on some dozens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from twostep_rs.bench.problems import FAMILIES

TOOL = Path(__file__).parents[2] / "tools" / "transport_exactness.py"
FIGURES = ("cost_difference", "violation", "gap", "stated_marginals")


def test_a_subset_of_the_instances_holds(tmp_path):
    file = tmp_path / "exactness.json"
    count = 3 * (len(FAMILIES) + 1)
    words = [str(TOOL), str(file), "--instances", str(count), "--most", "250", "--seed", "1"]
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(file.read_text())
    assert {row["family"] for row in record["rows"]} == {*FAMILIES, "grids in whole numbers"}
    for row in record["rows"]:
        assert row["instances"] == 3
        assert all(row[figure] <= 1e-12 for figure in FIGURES)
