"""Methods against systems: every one-step method alone and with stage II, by searched options."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twostep_rs.methods import registry as methods
from twostep_rs.reproduce.comparisons import FEW, comparisons
from twostep_rs.reproduce.competition import (
    clouds_run,
    competitor,
    costs_of,
    rows_of_scores,
    scores,
)
from twostep_rs.reproduce.costs import costs_table
from twostep_rs.reproduce.entries import PRINTED, SEARCHED, Entry, competing
from twostep_rs.reproduce.method_tables import (
    Line,
    lowest,
    ranks_table,
    scores_table,
    untrained_claim,
    worst_table,
)
from twostep_rs.reproduce.scores import Curve, curve, numbers
from twostep_rs.reproduce.target import Request, Summary, Target
from twostep_rs.reproduce.targets.search import search_of
from twostep_rs.reproduce.untrained import untrained_curves, untrained_job, untrained_rows
from twostep_rs.reproduce.yardsticks import thinned
from twostep_rs.runs.table import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.config import Config
    from twostep_rs.reproduce.job import Job, RunJob
    from twostep_rs.reproduce.store import Store
    from twostep_rs.runs.page import Table
    from twostep_rs.systems.keller_segel import Physics

OURS = "two-step"
_DEFAULT = Entry("two-step", "Two-step, options as they are", "meanflow")


@dataclass(frozen=True)
class Problem:
    """A system of the comparison.

    Attributes:
        name: of its target, behind ``methods-``.
        experiment: as on the command line.
        physics: its constants and time step; those of the preset where there is no choice.
        costly: whether simulations of references take so long that every method, and what needs no
            training, is measured at about half of the parameters.
    """

    name: str
    experiment: str
    physics: Physics | None = None
    costly: bool = False


PROBLEMS = (
    Problem("laminar", "ks3d-laminar"),
    Problem("kolmogorov", "ks3d-kolmogorov", "resolved", costly=True),
    Problem("4d", "ks4d-laminar", costly=True),
    Problem("aggregating", "ks3d-laminar", "aggregating", costly=True),
    Problem("kpp2d", "kpp2d"),
)


def competitors(request: Request) -> tuple[Entry, ...]:
    """Who competes: the two-step method as it is, then all by the options that the search found.

    Under ``paper`` there is nothing to be searched: options are those that are printed.
    """
    return (
        PRINTED if request.preset == "paper" else (_DEFAULT, *competing(SEARCHED, request.preset))
    )


def _run(problem: Problem, request: Request, seed: int, entry: Entry) -> RunJob:
    searched = request.preset != "paper" and entry != _DEFAULT
    run = competitor(
        entry,
        problem.experiment,
        request,
        seed,
        physics=problem.physics,
        options_of=search_of(entry, request) if searched else None,
    )
    return thinned(run) if problem.costly else run


def _clouds(problem: Problem, request: Request, seed: int) -> RunJob:
    run = clouds_run(problem.experiment, request, seed, problem.physics)
    return thinned(run) if problem.costly else run


def _runs_of_seed(problem: Problem, request: Request, seed: int) -> list[RunJob]:
    return [_run(problem, request, seed, entry) for entry in competitors(request)]


def _jobs(problems: Sequence[Problem], request: Request) -> list[Job]:
    return [
        job
        for seed in request.seeds
        for problem in problems
        for runs in [_runs_of_seed(problem, request, seed)]
        for job in (*map(scores, runs), untrained_job(_clouds(problem, request, seed)))
    ]


def lines(problem: Problem, request: Request, store: Store) -> dict[str, Line]:
    """Every method alone, and with stage II behind it, by name."""
    found: dict[str, Line] = {}
    kind = _kind(problem, request, store)
    for entry in competitors(request):
        runs = [_run(problem, request, seed, entry) for seed in request.seeds]
        rows, config = rows_of_scores(store, runs), runs[0].config
        known = next(filter(None, costs_of(store, runs)), None)
        evaluations = _declared(entry, config) if known is None else known.evaluations
        for stage in (1, 2)[: config.stages]:
            if stage == 1 and (not entry.alone or entry == _DEFAULT):
                continue
            refined = config.stages == FEW and stage == 1
            found[_name(entry, stage)] = Line(
                f"{entry.title}{' + DP' if stage == 2 and _name(entry, 2) != entry.name else ''}",
                evaluations - refined,
                curve(rows, kind, stage),
                [curve([of_seed], kind, stage) for of_seed in rows],
            )
    return found


def _kind(problem: Problem, request: Request, store: Store) -> Kind:
    """What was measured, of methods and of what has no network alike."""
    row = untrained_rows(store, _clouds(problem, request, request.seeds[0]))[0]
    return Kind(row.metric, row.box)


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
            scores_table(found, references, len(request.seeds)),
            ranks_table({problem.name: found}),
            _costs_table(problem, request, store),
        ],
        {},
        [lowest(problem.name, ours, found), untrained_claim(problem.name, ours, references)],
    )


def _ours(found: Mapping[str, Line]) -> str:
    return OURS if OURS in found else "meanflow + DP"


def _untrained(problem: Problem, request: Request, store: Store) -> dict[str, Curve]:
    return untrained_curves(store, [_clouds(problem, request, seed) for seed in request.seeds])


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
