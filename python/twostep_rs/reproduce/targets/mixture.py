"""Whether a rival is a straw man: every method on eight Gaussians, beside what is known of it.

The records are exact W2 between 2000 particles (1000 for W-Flow) as multiples of the sampling
floor, from independent implementations: five layers of width 64, batch 512, 4000 to 8000 steps,
learning rate 1e-3, independent pairs. Other methods have no public number for this problem; they
stand in the table without a bar.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from twostep_rs.reproduce.claims import Claim, verdict_of
from twostep_rs.reproduce.competition import competitor, lost, rows_of_scores, scores
from twostep_rs.reproduce.entries import SEARCHED, Entry
from twostep_rs.reproduce.scores import curve, numbers
from twostep_rs.reproduce.target import Request, Summary, Target
from twostep_rs.runs.page import Table
from twostep_rs.runs.table import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.reproduce.job import Job, RunJob
    from twostep_rs.reproduce.scores import Curve, Score
    from twostep_rs.reproduce.store import Store
    from twostep_rs.runs.evaluation import Row

_EXPERIMENT = "gaussians8"
_KIND = Kind("exact", None)

RECORDS = {
    "flow-matching": 0.161 / 0.17,
    "lsd": 0.194 / 0.17,
    "meanflow": 0.219 / 0.17,
    "meanflow-pairs": 0.236 / 0.17,
    "imm": 0.236 / 0.17,
    "w-flow": 0.233 / 0.24,
}
"""W2 over its floor, by entry; MeanFlow's is that of iMF, ``meanflow-pairs`` the original."""

ENTRIES = (
    *(dataclasses.replace(entry, stages=1) for entry in SEARCHED if entry.alone),
    Entry(
        "meanflow-pairs", "MeanFlow, derivative along pairs", "meanflow", {"method": "meanflow"}, 1
    ),
    Entry("ot-cfm", "OT-CFM, 100 steps", "flow-matching", {"coupling": "exact"}),
    *(entry for entry in SEARCHED if not entry.alone),
)
"""Stage I of every method, and Deep Particle."""


def _run(entry: Entry, request: Request, seed: int) -> RunJob:
    run = competitor(entry, _EXPERIMENT, request, seed, coupling="independent")
    # Methods that take no pairs have whole runs of the same name for other figures.
    return run if "independent" in run.name else dataclasses.replace(run, name=f"{run.name}-alone")


def _jobs(request: Request) -> list[Job]:
    return [scores(_run(entry, request, seed)) for seed in request.seeds for entry in ENTRIES]


def _summarise(request: Request, store: Store) -> Summary:
    rows = {
        entry.name: rows_of_scores(store, [_run(entry, request, seed) for seed in request.seeds])
        for entry in ENTRIES
    }
    found = {
        entry.name: curve(rows[entry.name], _KIND, 1 if entry.alone else 2) for entry in ENTRIES
    }
    first = next(score for scores in found.values() for score in scores.values())
    config = _run(ENTRIES[0], request, 0).config
    table = Table(
        "Eight Gaussians: W2 over its sampling floor",
        ("method", "W2", "over the floor", "recorded"),
        [
            [f"{entry.title}{lost(rows[entry.name])}", *_cells(found[entry.name]), _record(entry)]
            for entry in ENTRIES
        ],
        f"Independent pairs, {config.stage_1.steps} steps of batch {config.stage_1.batch}, width "
        f"{config.stage_1.width}, {len(request.seeds)} seeds; {config.evaluation.particles} "
        f"particles, whose floor is {math.sqrt(first.floor):.3f}.",
    )
    claims = [
        _claim(entry, rows[entry.name], found[entry.name])
        for entry in ENTRIES
        if entry.name in RECORDS
    ]
    return Summary(numbers(found), [table], {}, claims)


def _claim(entry: Entry, rows: Sequence[Sequence[Row]], scores: Curve) -> Claim:
    bar, reached, reason = RECORDS[entry.name], False, "no training has come to an end"
    for score in scores.values():
        # Records are single runs too, and what is at the floor cannot be told from the law.
        most = max(bar, 1.0) + 2.0 * _root_error(score)
        reached = all(rows) and math.sqrt(score.ratio) <= most
        reason = f"{_root(score)} floors{lost(rows)}"
    return Claim(
        f"{entry.title} is no straw man: W2 at most {bar:.2f} floors on eight Gaussians",
        verdict_of(reached),
        reason,
    )


def _cells(scores: Curve) -> tuple[str, str]:
    for score in scores.values():
        return f"{math.sqrt(score.value):.3f}", _root(score)
    return "diverged", "diverged"


def _root(score: Score) -> str:
    return f"{math.sqrt(score.ratio):.3f} ± {_root_error(score):.3f}"


def _root_error(score: Score) -> float:
    """Of the root of the ratio."""
    return 0.5 * score.ratio_error / math.sqrt(score.ratio)


def _record(entry: Entry) -> str:
    return f"{RECORDS[entry.name]:.2f}" if entry.name in RECORDS else ""


TARGETS = (
    Target(
        "mixture",
        "every method on eight Gaussians, beside what is known of it",
        "our own",
        _jobs,
        _summarise,
    ),
)
