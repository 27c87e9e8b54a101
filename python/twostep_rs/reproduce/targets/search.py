"""The search for the options of every method, of one size for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twostep_rs.experiments import ks3d_laminar
from twostep_rs.reproduce.entries import SEARCHED, competing
from twostep_rs.reproduce.search import SEED, TRIALS, search, trial_runs
from twostep_rs.reproduce.target import Request, Summary, Target
from twostep_rs.runs.page import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twostep_rs.reproduce.entries import Entry
    from twostep_rs.reproduce.job import Computation, Job
    from twostep_rs.reproduce.store import Store

EXPERIMENT = ks3d_laminar.NAME


def search_of(entry: Entry, request: Request) -> Computation:
    """The search whose options an entry takes in every problem."""
    return search(entry, EXPERIMENT, request)


def _jobs(request: Request) -> list[Job]:
    return [search_of(entry, request) for entry in competing(SEARCHED, request.preset)]


def _summarise(request: Request, store: Store) -> Summary:
    chosen = competing(SEARCHED, request.preset)
    found = {entry.name: store.document(search_of(entry, request)) for entry in chosen}
    return Summary(
        found, [_table(entry, found[entry.name]) for entry in chosen] + [_setting(request)]
    )


def _table(entry: Entry, document: Mapping[str, Any]) -> Table:
    trials = document["trials"]
    parameters = list(dict.fromkeys(key for trial in trials for key in trial["ratios"]))
    return Table(
        entry.title,
        ("changes", *(f"sigma {parameter}" for parameter in parameters), "mean", "taken"),
        [
            [
                " ".join(trial["options"]) or "none",
                *(_ratio(trial["ratios"].get(parameter)) for parameter in parameters),
                _ratio(trial["ratio"]),
                "yes" if trial["options"] == document["options"] else "",
            ]
            for trial in trials
        ],
        "W2 squared over the sampling floor at parameters of training that were kept from it: "
        f"stage {'I' if entry.alone else 'II'}.",
    )


def _ratio(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.2f}"


def _setting(request: Request) -> Table:
    (run, *_) = trial_runs(SEARCHED[0], EXPERIMENT, request)
    stage_1, simulation = run.config.stage_1, run.config.simulation
    return Table(
        "What all trials have in common",
        ("quantity", "value"),
        [
            ["trials of every method", str(TRIALS[request.preset])],
            ["steps of stage I", str(stage_1.steps)],
            ["batch", str(stage_1.batch)],
            ["width and depth", f"{stage_1.width}, {stage_1.depth}"],
            ["parameters of training", ", ".join(f"{p:.4g}" for p in simulation.parameters)],
            ["kept from it", ", ".join(f"{p:.4g}" for p in run.config.evaluation.parameters)],
            ["seed", str(SEED)],
        ],
        "Methods of two trainings share the steps. Options are drawn without repetition from the "
        "grid of a method; no parameter of any table has a part in it.",
    )


TARGETS = (
    Target(
        "search",
        "options of every method, by a search of one size",
        "our own",
        _jobs,
        _summarise,
        seeded=False,
    ),
)
