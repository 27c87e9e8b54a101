"""Methods of one evaluation on the planar problems, alone and with Deep Particle behind them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from twostep_rs import experiments, ot
from twostep_rs.reproduce.claims import Claim, verdict_of
from twostep_rs.reproduce.entries import Entry, entry_run
from twostep_rs.reproduce.planar_images import SAMPLES, SEED, fresh_images
from twostep_rs.reproduce.runs_of import rows_of, run_directory
from twostep_rs.reproduce.scores import Score, curve
from twostep_rs.reproduce.target import Summary, Target
from twostep_rs.runs.page import Table
from twostep_rs.runs.table import Kind
from twostep_rs.systems.planar import Gaussians8, Imbalanced, Mixture, Oval, PlanarProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.reproduce.claims import Verdict
    from twostep_rs.reproduce.job import RunJob
    from twostep_rs.reproduce.store import Store
    from twostep_rs.reproduce.target import Request

_PROBLEMS: dict[str, type[PlanarProblem]] = {
    "gaussians8": Gaussians8,
    "imbalanced": Imbalanced,
    "oval": Oval,
}
_ENTRIES = {
    entry.name: entry
    for entry in (
        Entry("meanflow", "MeanFlow", "meanflow", stages=1),
        Entry("lsd", "Lagrangian self-distillation", "lsd", stages=1),
        Entry("w-flow", "W-Flow", "w-flow", stages=1),
        Entry("w-flow-exact", "W-Flow, exact plans", "w-flow", {"energy": "exact"}, stages=1),
        Entry("drifting", "Drifting", "drifting", stages=1),
    )
}
_LONG = "w-flow-long"
_TIMES = 3
# Three times as long: one seed shows whether a training decays.
_LONG_SEED = 0

# What the trainings are held to: multiples of the floor, and of W2 after a shorter training.
_NEAR = 1.15
_DECAYED = 1.1


@dataclass(frozen=True)
class _Result:
    """One method on one problem, by stages.

    Attributes:
        title: of the method.
        scores: W2 squared, after each stage.
        quality: the worst relative error of a mass, or the mean squared move; after each stage.
        seconds: of the trainings, the mean over seeds.
    """

    title: str
    scores: Sequence[Score]
    quality: Sequence[float]
    seconds: Sequence[float]


def _alone(problem: str, name: str, request: Request, seed: int) -> RunJob:
    return entry_run(_ENTRIES[name], problem, request, seed)


def _followed(problem: str, name: str, request: Request, seed: int) -> RunJob:
    """By Deep Particle; the same stage I is not trained twice."""
    alone = _ENTRIES[name]
    entry = dataclasses.replace(
        alone, name=f"{name}-dp", title=f"{alone.title} and Deep Particle", stages=2
    )
    run = entry_run(entry, problem, request, seed)
    return dataclasses.replace(run, stage_1_of=_alone(problem, name, request, seed))


def _long(problem: str, request: Request) -> RunJob:
    steps = _TIMES * _alone(problem, "w-flow", request, _LONG_SEED).config.stage_1.steps
    entry = Entry(_LONG, f"W-Flow, {_TIMES} times the steps", "w-flow", {"steps": steps}, stages=1)
    return entry_run(entry, problem, request, _LONG_SEED)


def _jobs(request: Request) -> list[RunJob]:
    return [
        job
        for seed in request.seeds
        for problem in _PROBLEMS
        for job in (
            *(_alone(problem, name, request, seed) for name in _ENTRIES),
            *(_followed(problem, name, request, seed) for name in _ENTRIES),
            *([_long(problem, request)] if seed == _LONG_SEED else []),
        )
    ]


def _summarise(request: Request, store: Store) -> Summary:
    from twostep_rs.reproduce import flow_figures

    tables, figures, numbers = [], {}, {}
    results: dict[str, dict[str, _Result]] = {}
    for problem in _PROBLEMS:
        results[problem] = _results(problem, request, store)
        tables.append(_table(problem, results[problem]))
        numbers[problem] = {
            name: {
                "w2_squared": [score.value for score in result.scores],
                "standard_error": [score.error for score in result.scores],
                "floor": [score.floor for score in result.scores],
                "quality": list(result.quality),
                "seconds": list(result.seconds),
            }
            for name, result in results[problem].items()
        }
        system = _PROBLEMS[problem]()
        shown = {name: _alone(problem, name, request, request.seeds[0]) for name in _ENTRIES}
        panels = {
            _ENTRIES[name].title: fresh_images(store, run, 1_500)[1] for name, run in shown.items()
        }
        targets = system.simulate(1.0, n=1_500, seed=SEED).target
        figures[f"planar-{problem}"] = flow_figures.clouds(panels, targets)
    growths = {
        problem: _growth(problem, request, store)
        for problem in (_PROBLEMS if _LONG_SEED in request.seeds else ())
    }
    return Summary(numbers, tables, figures, _claims(results, growths))


def _results(problem: str, request: Request, store: Store) -> dict[str, _Result]:
    found = {
        name: _result(
            entry.title,
            [_alone(problem, name, request, seed) for seed in request.seeds],
            [_followed(problem, name, request, seed) for seed in request.seeds],
            store,
        )
        for name, entry in _ENTRIES.items()
    }
    if _LONG_SEED in request.seeds:
        title = f"W-Flow, {_TIMES} times the steps, one seed"
        found[_LONG] = _result(title, [_long(problem, request)], None, store)
    return found


def _growth(problem: str, request: Request, store: Store) -> float:
    """W2 after the long training over that after the usual one, of the same seed."""
    runs = _long(problem, request), _alone(problem, "w-flow", request, _LONG_SEED)
    long, short = (
        next(iter(curve(rows_of(store, [run]), Kind("exact", None), 1).values())) for run in runs
    )
    return math.sqrt(long.value / short.value)


def _result(
    title: str, alone: Sequence[RunJob], followed: Sequence[RunJob] | None, store: Store
) -> _Result:
    stages = [(1, alone), *([(2, followed)] if followed else [])]
    kind = Kind("exact", None)
    return _Result(
        title,
        [next(iter(curve(rows_of(store, runs), kind, k).values())) for k, runs in stages],
        [fmean(_quality(store, run) for run in runs) for _, runs in stages],
        [
            fmean(run_directory(store, run).status().done[f"stage_{k}"] for run in runs)
            for k, runs in stages
        ],
    )


def _quality(store: Store, run: RunJob) -> float:
    problem = _PROBLEMS[run.config.experiment]()
    source, images = fresh_images(store, run, SAMPLES)
    if isinstance(problem, Mixture):
        errors = problem.found_masses(images) / problem.masses - 1.0
        return float(np.abs(errors).max())
    return float(np.square(images - source).sum(axis=1).mean())


def _table(problem: str, results: Mapping[str, _Result]) -> Table:
    mixture = issubclass(_PROBLEMS[problem], Mixture)
    quality = "worst error of a mass" if mixture else "mean squared move"
    lines = []
    for result in results.values():
        line = [result.title]
        for k, score in enumerate(result.scores):
            line += [
                str(score),
                f"{score.ratio:.2f}",
                f"{result.quality[k]:.3f}",
                f"{result.seconds[k]:.0f}",
            ]
        lines.append([*line, *[""] * (9 - len(line))])
    heading = ("W2 squared", "over the floor", quality, "seconds")
    floor = next(iter(results.values())).scores[0]
    note = f"The floor is {floor.floor:.5f}. Seconds are of each training, beside others."
    if not mixture:
        note += f" The least mean squared move of any map is {_least_move():.4f}."
    followed = (f"with Deep Particle: {heading[0]}", *heading[1:])
    return Table(experiments.get(problem).title, ("method", *heading, *followed), lines, note)


def _least_move() -> float:
    cloud = Oval().simulate(1.0, n=10_000, seed=SEED + 1)
    return ot.emd(cloud.source, cloud.target).cost


def _claims(
    results: Mapping[str, Mapping[str, _Result]], growths: Mapping[str, float]
) -> list[Claim]:
    ours = results["gaussians8"]["w-flow"].scores[0]
    claims = [
        Claim(
            f"W-Flow comes within {_NEAR} of the floor on eight Gaussians",
            verdict_of(ours.ratio < _NEAR),
            f"{ours} over {ours.floor:.5f} is {ours.ratio:.3f}",
        )
    ]
    claims += [
        Claim(
            f"{problem}: {_TIMES} times the training does not raise W2 by a tenth",
            verdict_of(growth < _DECAYED),
            f"W2 after it is {growth:.3f} of that after the usual one, of one seed",
        )
        for problem, growth in growths.items()
    ]
    for problem, by in results.items():
        alone, followed = by["w-flow"].scores
        two_step, exact = by["meanflow"].scores[1], by["w-flow-exact"].scores[0]
        ratios = (
            f"multiples of the floor: W-Flow {_ratio(alone)}, W-Flow with Deep Particle "
            f"{_ratio(followed)}, MeanFlow with Deep Particle {_ratio(two_step)}"
        )
        claims += [
            Claim(
                f"{problem}: W-Flow alone is ahead of MeanFlow with Deep Particle",
                _ahead(alone, two_step),
                ratios,
            ),
            Claim(
                f"{problem}: Deep Particle improves W-Flow",
                _ahead(followed, alone),
                ratios,
            ),
            Claim(
                f"{problem}: W-Flow is ahead of its limit at epsilon zero, by exact plans",
                _ahead(alone, exact),
                f"multiples of the floor: {_ratio(alone)} and {_ratio(exact)}",
            ),
        ]
    return claims


def _ratio(score: Score) -> str:
    return f"{score.ratio:.2f} ± {score.error / score.floor:.2f}"


def _ahead(one: Score, other: Score) -> Verdict:
    """By more than twice the standard error of the difference."""
    return verdict_of(other.value - one.value > 2.0 * math.hypot(one.error, other.error))


TARGETS = (
    Target(
        "planar",
        "methods of one evaluation on eight Gaussians, imbalanced modes and the oval",
        "our own problems; the laws are those of W-Flow (arXiv:2605.11755)",
        _jobs,
        _summarise,
    ),
)
