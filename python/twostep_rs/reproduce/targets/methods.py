"""Methods against systems: every one-step method alone and with stage II, by searched options."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from twostep_rs.methods import registry as methods
from twostep_rs.reproduce.comparisons import FEW, comparisons
from twostep_rs.reproduce.competition import costs_of, rows_of_scores, scores
from twostep_rs.reproduce.costs import costs_table
from twostep_rs.reproduce.entries import PRINTED, SEARCHED, Entry, competing
from twostep_rs.reproduce.method_tables import (
    Line,
    line_of,
    lowest,
    ranks_table,
    scores_table,
    untrained_claim,
    worst_table,
)
from twostep_rs.reproduce.problems import PROBLEMS, Problem, competing_run, problem_clouds
from twostep_rs.reproduce.scores import Curve, numbers
from twostep_rs.reproduce.target import Request, Summary, Target
from twostep_rs.reproduce.targets.search import search_of
from twostep_rs.reproduce.untrained import kind_of, untrained_curves, untrained_job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.config import Config
    from twostep_rs.reproduce.job import Job, RunJob
    from twostep_rs.reproduce.store import Store
    from twostep_rs.runs.page import Table

OURS = "two-step"
_DEFAULT = Entry("two-step", "Two-step, options as they are", "meanflow")


def competitors(request: Request) -> tuple[Entry, ...]:
    """Who competes: the two-step method as it is, then all by the options that the search found.

    Under ``paper`` there is nothing to be searched: options are those that are printed.
    """
    return (
        PRINTED if request.preset == "paper" else (_DEFAULT, *competing(SEARCHED, request.preset))
    )


def _run(problem: Problem, request: Request, seed: int, entry: Entry) -> RunJob:
    searched = request.preset != "paper" and entry != _DEFAULT
    return competing_run(
        problem, request, seed, entry, search_of(entry, request) if searched else None
    )


def _runs_of_seed(problem: Problem, request: Request, seed: int) -> list[RunJob]:
    return [_run(problem, request, seed, entry) for entry in competitors(request)]


def _jobs(problems: Sequence[Problem], request: Request) -> list[Job]:
    return [
        job
        for seed in request.seeds
        for problem in problems
        for runs in [_runs_of_seed(problem, request, seed)]
        for job in (*map(scores, runs), untrained_job(problem_clouds(problem, request, seed)))
    ]


def lines(problem: Problem, request: Request, store: Store) -> dict[str, Line]:
    """Every method alone, and with stage II behind it, by name."""
    found: dict[str, Line] = {}
    kind = kind_of(store, problem_clouds(problem, request, request.seeds[0]))
    for entry in competitors(request):
        runs = [_run(problem, request, seed, entry) for seed in request.seeds]
        rows, config = rows_of_scores(store, runs), runs[0].config
        known = next(filter(None, costs_of(store, runs)), None)
        evaluations = _declared(entry, config) if known is None else known.evaluations
        for stage in (1, 2)[: config.stages]:
            if stage == 1 and (not entry.alone or entry == _DEFAULT):
                continue
            refined = config.stages == FEW and stage == 1
            followed = stage == 2 and _name(entry, 2) != entry.name
            found[_name(entry, stage)] = line_of(
                f"{entry.title}{' + DP' if followed else ''}",
                evaluations - refined,
                rows,
                kind,
                stage,
            )
    return found


def _declared(entry: Entry, config: Config) -> int:
    """Evaluations of a method of which no training is left to count them."""
    own = config.evaluations or methods.get(entry.method).evaluations
    return own + (config.stages == FEW) if entry.alone else 1


def _name(entry: Entry, stage: int) -> str:
    return f"{entry.name} + DP" if stage == 2 and entry.alone and entry != _DEFAULT else entry.name


def _summarise(problem: Problem, request: Request, store: Store) -> Summary:
    found = lines(problem, request, store)
    ours = found[_ours(found)]
    references = _untrained(problem, request, store)
    return Summary(
        {
            "scores": numbers({name: line.scores for name, line in found.items()}),
            "untrained": numbers(references),
            "evaluations": {name: line.evaluations for name, line in found.items()},
            "comparisons": comparisons(found),
        },
        [
            scores_table(found, references, request),
            ranks_table({problem.name: found}),
            _costs_table(problem, request, store),
        ],
        {},
        [lowest(problem.name, ours, found), untrained_claim(problem.name, ours, references)],
    )


def _ours(found: Mapping[str, Line]) -> str:
    return OURS if OURS in found else "meanflow + DP"


def _untrained(problem: Problem, request: Request, store: Store) -> dict[str, Curve]:
    return untrained_curves(
        store, [problem_clouds(problem, request, seed) for seed in request.seeds]
    )


def _costs_table(problem: Problem, request: Request, store: Store) -> Table:
    runs = _runs_of_seed(problem, request, request.seeds[0])
    titles = [
        f"{entry.title}{' + DP' if entry != _DEFAULT and _refined(entry, run) else ''}"
        for entry, run in zip(competitors(request), runs, strict=True)
    ]
    return costs_table("Costs", titles, costs_of(store, runs))


def _refined(entry: Entry, run: RunJob) -> bool:
    return entry.alone and run.config.stages == FEW


def _together(request: Request, store: Store) -> Summary:
    found = {problem.name: lines(problem, request, store) for problem in PROBLEMS}
    claims = [lowest(name, each[_ours(each)], each) for name, each in found.items()]
    document: dict[str, Any] = {
        name: numbers({key: line.scores for key, line in each.items()})
        for name, each in found.items()
    }
    return Summary(document, [worst_table(found), ranks_table(found)], {}, claims)


TARGETS = (
    *(
        Target(
            f"methods-{problem.name}",
            f"all methods on {problem.experiment}"
            f"{'' if problem.physics is None else f', physics {problem.physics}'}",
            "our own",
            functools.partial(_jobs, (problem,)),
            functools.partial(_summarise, problem),
        )
        for problem in PROBLEMS
    ),
    Target(
        "methods",
        "all methods on all systems, with their ranks",
        "our own",
        functools.partial(_jobs, PROBLEMS),
        _together,
    ),
)
