"""Several seeds of one experiment, against one floor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import run_seeds

from twostep_rs.runs.evaluation import Yardstick

WORDS = [
    "simulation.particles=120",
    "simulation.parameters=20,150",
    "stage_1.steps=3",
    "stage_1.batch=16",
    "stage_1.width=8",
    "stage_1.depth=1",
    "stage_2.steps=4",
    "stage_2.batch=20",
    "stage_2.width=8",
    "stage_2.depth=1",
    "evaluation.parameters=20",
    "evaluation.particles=120",
    "evaluation.references=2",
    "evaluation.floor_pairs=2",
    "evaluation.boxes=reference",
    "evaluation.metrics=exact",
]


def test_every_seed_has_references_of_its_own():
    clouds = [np.full((1, 1), k) for k in range(6)]
    yardstick = Yardstick([clouds], [], {}, {})
    groups = [run_seeds._group(yardstick, place, 2).references[0] for place in range(3)]
    assert [[int(cloud[0, 0]) for cloud in group] for group in groups] == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.slow
def test_seeds_share_the_floor_and_nothing_else(tmp_path):
    script = Path(run_seeds.__file__)
    command = [sys.executable, str(script), "ks3d-laminar", str(tmp_path / "run"), "--seeds", "2"]
    command += ["--jobs", "1", "--threads", "1", "--set", *WORDS]
    first = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "seed 1 evaluated" in first.stdout
    rows = [
        json.loads((tmp_path / f"run-s{seed}/evaluation.json").read_text())["rows"]
        for seed in (0, 1)
    ]
    assert [row["seed"] for seed in rows for row in seed] == [0, 0, 1, 1]
    assert len({row["floor"] for seed in rows for row in seed}) == 1
    assert rows[0][0]["w2_squared"] != rows[1][0]["w2_squared"]
    assert (tmp_path / "run-s1/report.html").exists()
    written = (tmp_path / "run-s1/evaluation.json").stat().st_mtime_ns
    subprocess.run(command, capture_output=True, check=True)
    assert (tmp_path / "run-s1/evaluation.json").stat().st_mtime_ns == written
