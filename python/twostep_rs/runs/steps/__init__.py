"""The steps of a run. Each reads files of its directory and writes others."""

from __future__ import annotations

from twostep_rs.runs.steps.adopt import adopt_clouds, adopt_stage_1
from twostep_rs.runs.steps.converge import converge
from twostep_rs.runs.steps.evaluate import evaluate, floor_ahead, samplers
from twostep_rs.runs.steps.plot import plot
from twostep_rs.runs.steps.report import report
from twostep_rs.runs.steps.resources import require_device
from twostep_rs.runs.steps.simulate import simulate
from twostep_rs.runs.steps.train import follow, train_stage_1, train_stage_2

__all__ = [
    "adopt_clouds",
    "adopt_stage_1",
    "converge",
    "evaluate",
    "floor_ahead",
    "follow",
    "plot",
    "report",
    "require_device",
    "samplers",
    "simulate",
    "train_stage_1",
    "train_stage_2",
]
