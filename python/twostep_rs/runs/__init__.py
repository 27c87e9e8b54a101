"""Runs: directories, evaluation, figures and reports."""

from __future__ import annotations

from twostep_rs.runs.directory import RunDirectory
from twostep_rs.runs.evaluation import Evaluation, Row, evaluate
from twostep_rs.runs.pipeline import run

__all__ = ["Evaluation", "Row", "RunDirectory", "evaluate", "run"]
