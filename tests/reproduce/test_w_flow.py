"""The figures of W-Flow at a tiny size, and what their verdicts rest on."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reproduce_jobs import do
from twostep_rs import experiments
from twostep_rs.reproduce import Request, Store, registry
from twostep_rs.reproduce.flow_studies import batches, fields, guidance, oval, sizes
from twostep_rs.reproduce.targets import planar
from twostep_rs.runs import config_file

TINY = (
    "simulation.particles=600",
    "stage_1.steps=6",
    "stage_1.batch=64",
    "stage_1.width=8",
    "stage_1.depth=2",
    "stage_1.held_out=100",
    "stage_2.steps=4",
    "stage_2.batch=50",
    "stage_2.width=8",
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
    "oval": {"particles": 40, "steps": 3},
}
NAMES = tuple(f"w-flow-figure-{k}" for k in (2, 3, 5, 6, 7, 8, 9))
PROBLEMS = ("gaussians8", "imbalanced", "oval")


@pytest.fixture
def tiny(monkeypatch):
    """Every study and run at a tiny size."""
    monkeypatch.setattr(sizes, "_QUICK", SIZES)
    for name in PROBLEMS:
        experiment = experiments.get(name)
        small = experiment.config("quick")
        small = config_file.override(small.for_method("w-flow"), TINY).for_method("meanflow")
        changed = replace(experiment, config=lambda preset, small=small: small)
        monkeypatch.setitem(experiments.EXPERIMENTS, name, changed)


@pytest.mark.usefixtures("tiny")
def test_every_figure_is_made_with_its_verdicts(tmp_path):
    for name in NAMES:
        summary = do(registry.get(name), Request(), Store(tmp_path))
        assert list(summary.figures) == [name]
        assert summary.claims
        json.dumps(summary.numbers)
        check_tables(summary)


@pytest.mark.usefixtures("tiny")
def test_methods_are_compared_alone_and_with_deep_particle(tmp_path):
    request = Request()
    summary = do(registry.get("planar"), request, Store(tmp_path))
    assert set(summary.numbers) == set(PROBLEMS)
    assert len(summary.claims) == 1 + 3 + 3 * 3
    check_tables(summary)
    # Of every method there are both stages, and one stage I for both.
    for by in summary.numbers.values():
        assert [len(one["w2_squared"]) for one in by.values()] == [2, 2, 2, 2, 2, 1]
    names = {job.name for job in registry.get("planar").jobs(request)}
    shared = {job.name for job in registry.get("w-flow-figure-6").jobs(request)}
    assert shared < names


def test_the_long_training_is_three_times_as_long():
    for request in (Request(), Request("full"), Request(overrides=("stage_1.steps=70",))):
        for problem in PROBLEMS:
            usual = planar._alone(problem, "w-flow", request, 0).config.stage_1
            long = planar._long(problem, request).config.stage_1
            assert long == replace(usual, steps=3 * usual.steps)


def check_tables(summary):
    for table in summary.tables:
        assert {len(line) for line in table.lines} == {len(table.heading)}


def test_figures_that_show_the_same_run_share_it():
    jobs = {name: {job.name for job in registry.get(name).jobs(Request())} for name in NAMES}
    assert jobs["w-flow-figure-6"] & jobs["w-flow-figure-7"] == {"imbalanced/quick-w-flow-s0"}


def test_far_modes_are_in_the_field_of_w_flow_alone():
    found = fields.study(None, seed=0, particles=400)
    assert found["w-flow"]["common"] > 0.4
    assert found["w-flow"]["rare"] > 0.5 * found["w-flow"]["common"]
    assert found["drifting"]["rare"] < 0.1 * found["drifting"]["common"]


def test_the_explicit_flow_moves_particles_as_little_as_an_optimal_map():
    found = oval.study(None, seed=0, particles=200, steps=40)
    assert found["distance"] < 0.02 * found["least"]
    assert found["move"] == pytest.approx(found["least"], rel=0.05)


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
    found = batches.study(None, seed=0, steps=600, batch=256, epsilon=0.005)
    assert found["one-batch"]["variance"] < 0.975
    assert found["one-batch"]["variance"] < found["two-batch"]["variance"] - 0.03
    assert abs(found["two-batch"]["variance"] - 1.0) < 0.03
