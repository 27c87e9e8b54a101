"""Methods against systems: every one-step method alone and with stage II, by searched options."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twostep_rs.reproduce.claims import Claim
from twostep_rs.reproduce.competition import (
    clouds_run,
    competitor,
    costs_of,
    rows_of_scores,
    scores,
)
from twostep_rs.reproduce.costs import costs_table
from twostep_rs.reproduce.entries import PRINTED, SEARCHED, Entry, competing
from twostep_rs.reproduce.ranking import ranking
from twostep_rs.reproduce.scores import Curve, curve, numbers
from twostep_rs.reproduce.target import Request, Summary, Target
from twostep_rs.reproduce.targets.search import search_of
from twostep_rs.reproduce.untrained import ENTROPIC_PARTICLES, untrained_curves, untrained_job
from twostep_rs.reproduce.yardsticks import thinned
from twostep_rs.runs.page import Table
from twostep_rs.runs.table import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.reproduce.job import Job, RunJob
    from twostep_rs.reproduce.scores import Score
    from twostep_rs.reproduce.store import Store
    from twostep_rs.systems.keller_segel import Physics

OURS = "two-step"
_DEFAULT = Entry("two-step", "Two-step, options as they are", "meanflow")
_FEW = 2


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


@dataclass(frozen=True)
class Line:
    """A method in a table.

    Attributes:
        title: of it.
        evaluations: of networks, for a particle.
        scores: by parameter.
        seeds: the same of every seed alone.
    """

    title: str
    evaluations: int
    scores: Curve
    seeds: Sequence[Curve]


def lines(problem: Problem, request: Request, store: Store) -> dict[str, Line]:
    """Every method alone, and with stage II behind it, by name."""
    found: dict[str, Line] = {}
    costs = costs_of(store, _runs_of_seed(problem, request, request.seeds[0]))
    for entry, cost in zip(competitors(request), costs, strict=True):
        runs = [_run(problem, request, seed, entry) for seed in request.seeds]
        rows, config = rows_of_scores(store, runs), runs[0].config
        kind = Kind(rows[0][0].metric, rows[0][0].box)
        for stage in (1, 2)[: config.stages]:
            if stage == 1 and (not entry.alone or entry == _DEFAULT):
                continue
            refined = config.stages == _FEW and stage == 1
            found[_name(entry, stage)] = Line(
                f"{entry.title}{' + DP' if stage == 2 and _name(entry, 2) != entry.name else ''}",
                cost.evaluations - refined,
                curve(rows, kind, stage),
                [curve([of_seed], kind, stage) for of_seed in rows],
            )
    return found


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
        },
        [
            _scores_table(found, references, request),
            ranks_table({problem.name: found}),
            _costs_table(problem, request, store),
        ],
        {},
        [_lowest(problem.name, ours, found), _untrained_claim(problem, ours, references)],
    )


def _ours(found: Mapping[str, Line]) -> str:
    return OURS if OURS in found else "meanflow + DP"


def _untrained(problem: Problem, request: Request, store: Store) -> dict[str, Curve]:
    return untrained_curves(store, [_clouds(problem, request, seed) for seed in request.seeds])


def _scores_table(
    found: Mapping[str, Line], untrained: Mapping[str, Curve], request: Request
) -> Table:
    first = next(iter(found.values())).scores
    floor = ["sampling floor itself", "", *(f"{score.floor:.5f}" for score in first.values())]
    return Table(
        "W2 squared over the sampling floor",
        ("method", "evaluations", *(_heading(p, score) for p, score in first.items())),
        [
            floor,
            *(
                [
                    line.title,
                    str(line.evaluations),
                    *(score.ratio_text for score in line.scores.values()),
                ]
                for line in found.values()
            ),
            *(
                [name, "0", *(score.ratio_text for score in each.values())]
                for name, each in untrained.items()
            ),
        ],
        f"Mean over {len(request.seeds)} seeds ± its standard error, that of the floor included. "
        "+ DP: stage II behind it, with the same options for all. * lies outside the range of "
        "training. All were given the same clouds, steps, batch, width and size of search. The "
        f"entropic map is that of {ENTROPIC_PARTICLES} particles.",
    )


def _heading(parameter: float, score: Score) -> str:
    return f"{parameter:.4g}{'' if score.training_range else ' *'}"


def ranks_table(problems: Mapping[str, Mapping[str, Line]]) -> Table:
    """Mean ranks over systems and seeds, of the methods of at most two evaluations.

    A comparison is a system and a seed; a method's score there is the mean logarithm of W2 squared
    over the parameters, which are no comparisons of their own: one network answers for all.
    """
    shared = [
        name
        for name, line in next(iter(problems.values())).items()
        if line.evaluations <= _FEW and all(name in found for found in problems.values())
    ]
    order = ranking(
        {
            name: [
                sum(math.log(score.value) for score in seed.values()) / len(seed)
                for found in problems.values()
                for seed in found[name].seeds
            ]
            for name in shared
        }
    )
    titles = {name: line.title for found in problems.values() for name, line in found.items()}
    return Table(
        "Mean ranks of methods of at most two evaluations",
        ("method", "mean rank", "not told from the best"),
        [
            [titles[name], f"{rank:.2f}", "yes" if name in order.tied else "no"]
            for name, rank in order.ranks.items()
        ],
        f"Over {order.problems} comparisons (systems and seeds), by the mean logarithm of W2 "
        f"squared over the parameters; critical difference {order.critical_difference:.2f} "
        "(Nemenyi, 5 %). Seeds of one system share its references' floor, not their references.",
    )


def _lowest(name: str, ours: Line, found: Mapping[str, Line]) -> Claim:
    """Ours against every method of at most two evaluations, at every parameter."""
    below = [
        f"{line.title} at {parameter:g} ({line.scores[parameter].ratio:.2f} against "
        f"{score.ratio:.2f})"
        for parameter, score in ours.scores.items()
        for line in found.values()
        if line is not ours
        and line.evaluations <= _FEW
        and _significantly_below(line.scores[parameter], score)
    ]
    return Claim(
        f"two-step as it is has the lowest W2 squared of all methods of at most two evaluations at "
        f"every parameter, within two standard errors ({name})",
        "not reproduced" if below else "reproduced",
        "; ".join(below) or "nobody is below it by more than two standard errors",
    )


def _untrained_claim(problem: Problem, ours: Line, references: Mapping[str, Curve]) -> Claim:
    """Ours against what is made of the training clouds without a network."""
    below = [
        f"{name} at {parameter:g} ({each[parameter].ratio:.2f} against {score.ratio:.2f})"
        for parameter, score in ours.scores.items()
        for name, each in references.items()
        if _significantly_below(each[parameter], score)
    ]
    return Claim(
        f"two-step as it is lies nowhere above what training clouds give without a network, within "
        f"two standard errors ({problem.name})",
        "not reproduced" if below else "reproduced",
        "; ".join(below) or "none of them is below it by more than two standard errors",
    )


def _significantly_below(one: Score, other: Score) -> bool:
    return other.value - one.value > 2.0 * math.hypot(one.error, other.error)


def _costs_table(problem: Problem, request: Request, store: Store) -> Table:
    runs = _runs_of_seed(problem, request, request.seeds[0])
    titles = [
        f"{entry.title}{' + DP' if entry != _DEFAULT and _refined(entry, run) else ''}"
        for entry, run in zip(competitors(request), runs, strict=True)
    ]
    return costs_table("Costs", titles, costs_of(store, runs))


def _refined(entry: Entry, run: RunJob) -> bool:
    return entry.alone and run.config.stages == _FEW


def _together(request: Request, store: Store) -> Summary:
    found = {problem.name: lines(problem, request, store) for problem in PROBLEMS}
    claims = [_lowest(name, each[_ours(each)], each) for name, each in found.items()]
    document: dict[str, Any] = {
        name: numbers({key: line.scores for key, line in each.items()})
        for name, each in found.items()
    }
    return Summary(document, [_worst_table(found), ranks_table(found)], {}, claims)


def _worst_table(problems: Mapping[str, Mapping[str, Line]]) -> Table:
    """The largest ratio inside the range of training and beyond it, of every method."""
    names = dict.fromkeys(name for found in problems.values() for name in found)
    titles = {name: line.title for found in problems.values() for name, line in found.items()}
    return Table(
        "Largest W2 squared over the sampling floor, inside the range of training and beyond",
        ("method", *problems),
        [
            [titles[name], *(_worst(found.get(name)) for found in problems.values())]
            for name in names
        ],
        "A dash where the range of training covers all parameters that are measured.",
    )


def _worst(line: Line | None) -> str:
    if line is None:
        return ""
    inside, outside = (
        max((s.ratio for s in line.scores.values() if s.training_range == within), default=None)
        for within in (True, False)
    )
    return " / ".join("-" if ratio is None else f"{ratio:.2f}" for ratio in (inside, outside))


TARGETS = (
    *(
        Target(
            f"methods-{problem.name}",
            f"all methods on {problem.experiment}"
            f"{'' if problem.physics is None else f', physics {problem.physics}'}",
            "our own",
            functools.partial(_jobs, (problem,)),
            functools.partial(_summarise, problem),
            printed=False,
        )
        for problem in PROBLEMS
    ),
    Target(
        "methods",
        "all methods on all systems, with their ranks",
        "our own",
        functools.partial(_jobs, PROBLEMS),
        _together,
        printed=False,
    ),
)
