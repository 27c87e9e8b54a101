"""Maps of two times by the number of their jumps, which is chosen after training."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from twostep_rs.reproduce.claims import Claim, verdict_of
from twostep_rs.reproduce.competition import costs_of, rows_of_scores, scores
from twostep_rs.reproduce.costs import costs_table
from twostep_rs.reproduce.entries import SEARCHED, competing
from twostep_rs.reproduce.method_tables import Line, line_of, scores_table, significantly_below
from twostep_rs.reproduce.problems import PROBLEMS, Problem, competing_run, problem_clouds
from twostep_rs.reproduce.scores import numbers
from twostep_rs.reproduce.target import Summary, Target
from twostep_rs.reproduce.targets.search import search_of
from twostep_rs.reproduce.untrained import kind_of, untrained_curves, untrained_job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.reproduce.entries import Entry
    from twostep_rs.reproduce.job import Job, RunJob
    from twostep_rs.reproduce.store import Store
    from twostep_rs.reproduce.target import Request
    from twostep_rs.runs.page import Table

JUMPS = (1, 2, 4)
"""From source to target, in equal intervals of time."""

MAPS = tuple(
    entry for entry in SEARCHED if entry.name in ("meanflow", "esd", "lsd", "lmd", "fmm", "pfmm")
)
"""Methods that learn a map between any two times; their trainings are those of ``methods-*``."""

SYSTEMS = tuple(one for one in PROBLEMS if one.name in ("laminar", "4d", "kpp2d"))

Found = dict[tuple[str, int, int], Line]
"""By map, number of jumps, and stage."""


def runs(problem: Problem, request: Request, seed: int, entry: Entry) -> dict[int, RunJob]:
    """The runs of a map by their number of jumps: one training, each with its own stage II."""
    searched = None if request.preset == "paper" else search_of(entry, request)
    single = competing_run(problem, request, seed, entry, searched)
    return {jumps: _with_jumps(single, jumps) for jumps in JUMPS}


def _with_jumps(single: RunJob, jumps: int) -> RunJob:
    if jumps == 1:
        return single
    return dataclasses.replace(
        single,
        name=f"{single.name}-{jumps}-jumps",
        config=dataclasses.replace(single.config, evaluations=jumps),
        stage_1_of=single,
    )


def _jobs(problem: Problem, request: Request) -> list[Job]:
    return [
        job
        for seed in request.seeds
        for job in (
            *(
                scores(run)
                for entry in competing(MAPS, request.preset)
                for run in runs(problem, request, seed, entry).values()
            ),
            untrained_job(problem_clouds(problem, request, seed)),
        )
    ]


def _found(problem: Problem, request: Request, store: Store) -> Found:
    kind = kind_of(store, problem_clouds(problem, request, request.seeds[0]))
    found: Found = {}
    for entry in competing(MAPS, request.preset):
        of_seeds = [runs(problem, request, seed, entry) for seed in request.seeds]
        for jumps in JUMPS:
            rows = rows_of_scores(store, [each[jumps] for each in of_seeds])
            for stage in (1, 2):
                title = f"{_title(entry, jumps)}{' + DP' if stage == 2 else ''}"
                evaluations = jumps + (stage == 2)
                found[entry.name, jumps, stage] = line_of(title, evaluations, rows, kind, stage)
    return found


def _title(entry: Entry, jumps: int) -> str:
    return f"{entry.title}, {jumps} jump{'' if jumps == 1 else 's'}"


def _summarise(problem: Problem, request: Request, store: Store) -> Summary:
    from twostep_rs.reproduce.jump_figures import jumps_figure

    found = _found(problem, request, store)
    by_name = {
        f"{name}-{jumps}{' + DP' if stage == 2 else ''}": line
        for (name, jumps, stage), line in found.items()
    }
    references = untrained_curves(
        store, [problem_clouds(problem, request, seed) for seed in request.seeds]
    )
    return Summary(
        {
            "scores": numbers({name: line.scores for name, line in by_name.items()}),
            "evaluations": {name: line.evaluations for name, line in by_name.items()},
        },
        [
            scores_table(by_name, references, request),
            _costs_table(problem, request, store),
        ],
        {"jumps": jumps_figure(found)},
        _claims(problem, found),
    )


def _costs_table(problem: Problem, request: Request, store: Store) -> Table:
    first = {
        _title(entry, jumps): run
        for entry in competing(MAPS, request.preset)
        for jumps, run in runs(problem, request, request.seeds[0], entry).items()
    }
    return costs_table("Costs, stage II included", list(first), costs_of(store, [*first.values()]))


def _claims(problem: Problem, found: Found) -> list[Claim]:
    names = dict.fromkeys(name for name, _, _ in found)
    return [
        _nowhere_above(
            "more jumps of one training never cost: two and four lie nowhere above one, within two "
            f"standard errors ({problem.name})",
            [(found[name, jumps, 1], found[name, 1, 1]) for name in names for jumps in JUMPS[1:]],
        ),
        _nowhere_above(
            "a second evaluation is spent better on stage II than on a second jump: it lies "
            f"nowhere above, within two standard errors ({problem.name})",
            [(found[name, 1, 2], found[name, 2, 1]) for name in names],
        ),
    ]


def _nowhere_above(statement: str, pairs: Sequence[tuple[Line, Line]]) -> Claim:
    """Whether the first of every pair lies at no parameter above the second, beyond errors."""
    above, below, compared = [], 0, 0
    for one, other in pairs:
        for parameter, score in one.scores.items():
            if parameter not in other.scores:
                continue
            rival, compared = other.scores[parameter], compared + 1
            below += significantly_below(score, rival)
            if significantly_below(rival, score):
                above.append(
                    f"{one.title} at {parameter:.4g} ({score.ratio:.2f} against {rival.ratio:.2f})"
                )
    counts = f"below at {below} of {compared}, above at {len(above)}"
    return Claim(statement, verdict_of(not above), "; ".join([counts, *above]))


TARGETS = tuple(
    Target(
        f"jumps-{problem.name}",
        f"flow maps in one, two and four jumps on {problem.experiment}",
        "our own",
        functools.partial(_jobs, problem),
        functools.partial(_summarise, problem),
    )
    for problem in SYSTEMS
)
