"""The figures of W-Flow at a tiny size, and what their verdicts rest on."""

from __future__ import annotations

import json

import pytest

from twostep_rs.reproduce import Request, Store, registry, reproduce
from twostep_rs.reproduce.flow_studies import batches, fields, guidance, sizes

TINY = (
    "simulation.particles=600",
    "stage_1.steps=6",
    "stage_1.batch=64",
    "stage_1.width=8",
    "stage_1.depth=2",
    "stage_1.held_out=100",
    "evaluation.particles=60",
    "evaluation.references=2",
    "evaluation.floor_pairs=2",
    "threads=1",
)
SIZES = {
    "landscape": {"steps": 4, "batch": 32, "particles": 24, "flow_steps": 4, "cells": 3},
    "batches": {"steps": 3, "batch": 32, "epsilon": 0.01},
    "guidance": {"particles": 40, "steps": 2, "strengths": [0.0, 1.0]},
    "fields": {"particles": 100},
}
NAMES = tuple(f"w-flow-figure-{k}" for k in (2, 3, 5, 6, 7, 8, 9))


def test_every_figure_is_made_with_its_verdicts(tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "_QUICK", SIZES)
    request = Request(overrides=TINY)
    outcomes = reproduce([registry.get(name) for name in NAMES], request, Store(tmp_path))
    for outcome in outcomes:
        assert not outcome.failures
        assert outcome.claims
        result = json.loads((outcome.directory / "result.json").read_text())
        assert (outcome.directory / f"{outcome.target.name}.png").stat().st_size > 5_000
        for table in result["tables"]:
            assert {len(line) for line in table["lines"]} == {len(table["heading"])}


def test_figures_that_show_the_same_run_share_it():
    jobs = {name: {job.name for job in registry.get(name).jobs(Request())} for name in NAMES}
    assert jobs["w-flow-figure-6"] & jobs["w-flow-figure-7"] == {"imbalanced/quick-w-flow-s0"}


def test_far_modes_are_in_the_field_of_w_flow_alone():
    found = fields.study(None, seed=0, particles=400)
    assert found["w-flow"]["rare"] > 0.5 * found["rare_exact"]
    assert found["drifting"]["rare"] < 0.1 * found["rare_exact"]


def test_both_guidances_leave_the_other_class_and_that_of_velocities_the_own_one_too():
    rows = guidance.study(None, seed=0, particles=150, steps=25, strengths=[0.0, 2.0])["rows"]
    by = {(row["guidance"], row["strength"]): row for row in rows}
    plain = by["velocity", 0.0]
    assert by["distribution", 0.0]["points"] == plain["points"]
    for kind in guidance.KINDS:
        assert by[kind, 2.0]["own_side"] > plain["own_side"] + 0.05
    assert by["velocity", 2.0]["shift"] > 1.5 * by["distribution", 2.0]["shift"]


@pytest.mark.slow
def test_one_batch_contracts_and_two_do_not():
    found = batches.study(None, seed=0, steps=300, batch=256, epsilon=0.005)
    assert found["one-batch"]["variance"] < 0.96
    assert abs(found["two-batch"]["variance"] - 1.0) < 0.03
