"""The papers' tables and figures, each made anew by one command: ``twostep reproduce``.

A *target* is a table or figure. It names *jobs*, independent pieces of work that are done once, by
as many processes and in as many sittings as it takes, and turns what they leave into numbers, a
table, figures and a verdict on every claim of the paper. A module registers its targets by a line
in :mod:`twostep_rs.reproduce.registry`.
"""

from __future__ import annotations

from twostep_rs.reproduce.claims import Claim, Verdict
from twostep_rs.reproduce.job import Computation, Job, Place, RunJob
from twostep_rs.reproduce.registry import get, names
from twostep_rs.reproduce.reproduction import reproduce
from twostep_rs.reproduce.store import Store
from twostep_rs.reproduce.target import Request, Summary, Target

__all__ = [
    "Claim",
    "Computation",
    "Job",
    "Place",
    "Request",
    "RunJob",
    "Store",
    "Summary",
    "Target",
    "Verdict",
    "get",
    "names",
    "reproduce",
]
