"""Figures 2, 3 and 5 to 9 of W-Flow, as far as they are planar."""

from __future__ import annotations

import functools
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from twostep_rs import ot
from twostep_rs.reproduce.claims import Claim, verdict_of
from twostep_rs.reproduce.entries import Entry, entry_run
from twostep_rs.reproduce.flow_studies import sizes
from twostep_rs.reproduce.job import Computation
from twostep_rs.reproduce.planar_images import SAMPLES, SEED, fresh_images
from twostep_rs.reproduce.runs_of import rows_of
from twostep_rs.reproduce.scores import curve
from twostep_rs.reproduce.target import Summary, Target
from twostep_rs.runs.page import Table
from twostep_rs.runs.table import Kind
from twostep_rs.systems import Imbalanced, Oval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.reproduce.job import Job, RunJob
    from twostep_rs.reproduce.store import Store
    from twostep_rs.reproduce.target import Request

_PAGE = "W-Flow (arXiv:2605.11755)"

# Each alone: what stage II would add is not what the page shows.
_W_FLOW = Entry("w-flow", "W-Flow", "w-flow", stages=1)
_DRIFTING = Entry("drifting", "Drifting", "drifting", stages=1)
_RIVALS = (_W_FLOW, _DRIFTING)
_ESTIMATORS = (
    _W_FLOW,
    Entry("w-flow-one-batch", "one batch", "w-flow", {"self_transport": "one-batch"}, stages=1),
    Entry("w-flow-others", "one batch, no diagonal", "w-flow", {"self_transport": "others"}, 1),
)

# An energy of so many times that of independent samples counts as that of the target: of 512
# particles they scatter by about a half.
_AT_THE_FLOOR = 1.5
# An excess of the mean squared move.
_HARDLY = 0.05
# Masses of modes within this share of the truth count as covered.
_COVERED = 0.1
_SHOWN = 1_500

# Studies that take long enough.
_ON_A_DEVICE = ("landscape", "batches", "guidance")


def _study(name: str, request: Request) -> list[Computation]:
    """A study of every seed, at the size of the preset."""
    return [
        Computation(
            f"w-flow/{name}-{request.preset}-s{seed}",
            sizes.STUDIES[name],
            {"seed": seed, **sizes.of(name, request.preset)},
            device=request.device if name in _ON_A_DEVICE else None,
        )
        for seed in request.seeds
    ]


def _documents(name: str, request: Request, store: Store) -> list[dict[str, Any]]:
    return [store.document(job) for job in _study(name, request)]


def _landscape(request: Request, store: Store) -> Summary:
    from twostep_rs.reproduce import flow_figures

    found = _documents("landscape", request, store)
    first, last = (fmean(study["path"][k]["energy"] for study in found) for k in (0, -1))
    floor = fmean(study["energy_floor"] for study in found)
    table = Table(
        "The training of eight Gaussians and the explicit flow of the same particles",
        ("step", "Sinkhorn divergence", "W2 squared to the flow", "at its time"),
        [
            [
                str(row["step"]),
                f"{row['energy']:.4f}",
                f"{row['distance']:.4f}",
                f"{row['flow_time']:.1f}",
            ]
            for row in found[0]["path"]
        ],
        f"Seed {request.seeds[0]}; W2 squared between two samples of the target of this size: "
        f"{found[0]['floor']:.4f}.",
    )
    claim = Claim(
        "training descends the landscape of the Sinkhorn divergence",
        verdict_of(last < _AT_THE_FLOOR * floor < first),
        f"the divergence of followed particles falls from {first:.3f} to {last:.3f}; that of "
        f"independent samples of the target is {floor:.3f}",
    )
    figures = {"w-flow-figure-2": flow_figures.landscape(found[0])}
    paths = [study["path"] for study in found]
    floors = [study["energy_floor"] for study in found]
    return Summary({"paths": paths, "energy floors": floors}, [table], figures, [claim])


def _batches(request: Request, store: Store) -> Summary:
    from twostep_rs.reproduce import flow_figures
    from twostep_rs.reproduce.flow_studies.batches import KINDS

    found = _documents("batches", request, store)
    variance = {kind: [study[kind]["variance"] for study in found] for kind in KINDS}
    floor = fmean(study["floor"] for study in found)
    table = Table(
        "Generators of a Gaussian",
        ("self-transport", "variance over that of the target", "W2 squared over its floor"),
        [
            [
                kind,
                f"{fmean(variance[kind]):.3f}",
                f"{fmean(study[kind]['distance'] for study in found) / floor:.2f}",
            ]
            for kind in KINDS
        ],
        _setting("batches", request),
    )
    one, two = (fmean(variance[kind]) for kind in KINDS)
    claim = Claim(
        "one batch contracts, two batches do not",
        verdict_of(one < 0.97 and abs(two - 1.0) < 0.5 * (1.0 - one)),
        f"variances {one:.3f} and {two:.3f} of that of the target",
    )
    panels: dict[str, Any] = {kind: found[0][kind]["points"] for kind in KINDS}
    figures = {"w-flow-figure-3": flow_figures.clouds(panels, found[0]["targets"])}
    return Summary({"variance": variance}, [table], figures, [claim])


def _runs(experiment: str, entries: Sequence[Entry], request: Request) -> dict[str, list[RunJob]]:
    return {
        entry.title: [entry_run(entry, experiment, request, seed) for seed in request.seeds]
        for entry in entries
    }


def _jobs(experiment: str, entries: Sequence[Entry], request: Request) -> list[RunJob]:
    return [run for runs in _runs(experiment, entries, request).values() for run in runs]


def _oval_jobs(request: Request) -> list[Job]:
    return [*_jobs("oval", _RIVALS, request), *_study("oval", request)]


def _oval(request: Request, store: Store) -> Summary:
    from twostep_rs.reproduce import flow_figures

    problem = Oval()
    runs = _runs("oval", _RIVALS, request)
    cloud = problem.simulate(1.0, n=10_000, seed=SEED + 1)
    least = ot.emd(cloud.source, cloud.target).cost
    costs: dict[str, list[float]] = {}
    panels: dict[str, tuple[Any, Any]] = {}
    for title, those in runs.items():
        moved = [fresh_images(store, run, SAMPLES) for run in those]
        costs[title] = [float(np.square(x - s).sum(axis=1).mean()) for s, x in moved]
        source, images = moved[0]
        panels[title] = source[:300], images[:300]
    lines = _distances(store, runs)
    for line, cost in zip(lines, costs.values(), strict=True):
        line.append(f"{fmean(cost):.4f}")
    table = Table(
        "From an oval to a circle",
        ("method", "W2 squared", "floor", "mean squared move"),
        lines,
        f"The least mean squared move of any map is {least:.4f}.",
    )
    explicit = _documents("oval", request, store)
    panels["Explicit flow"] = explicit[0]["source"], explicit[0]["images"]
    excess = fmean(study["move"] / study["least"] - 1.0 for study in explicit)
    ours, theirs = (fmean(cost) for cost in costs.values())
    claims = [
        Claim(
            "the flow of W-Flow moves particles hardly farther than an optimal map",
            verdict_of(excess < _HARDLY),
            f"without a network by {excess:+.1%} beside the exact plan of the same particles",
        ),
        Claim(
            "W-Flow moves particles less far than drifting",
            verdict_of(ours < theirs),
            f"trained generators: mean squared moves {ours:.4f} and {theirs:.4f}; at least "
            f"{least:.4f}",
        ),
    ]
    numbers = {"moves": costs, "least": least, "excess_of_explicit_flow": excess}
    return Summary(numbers, [table], {"w-flow-figure-5": flow_figures.moves(panels)}, claims)


def _coverage(name: str, entries: Sequence[Entry], request: Request, store: Store) -> Summary:
    from twostep_rs.reproduce import flow_figures

    problem = Imbalanced()
    runs = _runs("imbalanced", entries, request)
    errors, panels = {}, {}
    for title, those in runs.items():
        images = [fresh_images(store, run, SAMPLES)[1] for run in those]
        errors[title] = [problem.found_masses(x) / problem.masses - 1.0 for x in images]
        panels[title] = images[0][:_SHOWN]
    lines = _distances(store, runs)
    for line, found in zip(lines, errors.values(), strict=True):
        worst = np.abs(found).max(axis=1)
        rare = np.asarray(found)[:, problem.masses == problem.masses.min()]
        line += [f"{worst.mean():.3f}", f"{rare.mean():+.3f}"]
    table = Table(
        "Six modes of mass 0.15 and two of 0.05",
        ("method", "W2 squared", "floor", "worst error of a mass", "error of rare ones"),
        lines,
        f"Relative errors of the masses of modes, of {SAMPLES} particles a seed.",
    )
    worst = {title: float(np.abs(found).max()) for title, found in errors.items()}
    first, *others = worst
    reason = ", ".join(f"{title} {value:.3f}" for title, value in worst.items())
    claims = [
        Claim(
            f"{first} gives every mode its mass within {_COVERED:.0%}",
            verdict_of(worst[first] < _COVERED),
            f"worst relative errors: {reason}",
        ),
        Claim(
            f"{first} is ahead of the others",
            verdict_of(all(worst[first] < worst[title] for title in others)),
            f"worst relative errors: {reason}",
        ),
    ]
    targets = problem.simulate(1.0, n=_SHOWN, seed=SEED).target
    document = {title: np.asarray(found).tolist() for title, found in errors.items()}
    return Summary(document, [table], {name: flow_figures.clouds(panels, targets)}, claims)


def _guidance(request: Request, store: Store) -> Summary:
    from twostep_rs.reproduce import flow_figures

    found = _documents("guidance", request, store)
    rows = [
        {
            "guidance": row["guidance"],
            "strength": row["strength"],
            **{
                key: fmean(study["rows"][k][key] for study in found)
                for key in ("own_side", "deviation", "far", "shift")
            },
        }
        for k, row in enumerate(found[0]["rows"])
    ]
    table = Table(
        "Particles of one of two classes that overlap",
        ("guidance", "strength", "on its side", "deviation", "beyond three deviations", "shift"),
        [
            [
                row["guidance"],
                f"{row['strength']:g}",
                f"{row['own_side']:.3f}",
                f"{row['deviation']:.3f}",
                f"{row['far']:.4f}",
                f"{row['shift']:.3f}",
            ]
            for row in rows
        ],
        "Deviation relative to that of the class; shift of the mean from its centre. The page "
        "prints no formulas of either guidance; ours are in the documentation.",
    )
    strongest = max(row["strength"] for row in rows)
    far = {row["guidance"]: row["far"] for row in rows if row["strength"] == strongest}
    claim = Claim(
        "distribution guidance stays where the class has particles; velocity guidance leaves it",
        verdict_of(far["distribution"] < far["velocity"]),
        f"at strength {strongest:g} the shares beyond three deviations are "
        f"{far['distribution']:.4f} and {far['velocity']:.4f}",
    )
    panels = {f"{row['guidance']}, {row['strength']:g}": row["points"] for row in found[0]["rows"]}
    own = next(row["points"] for row in found[0]["rows"] if row["strength"] == 0.0)
    figures = {"w-flow-figure-8": flow_figures.clouds(panels, own)}
    return Summary({"rows": rows}, [table], figures, [claim])


def _fields(request: Request, store: Store) -> Summary:
    from twostep_rs.reproduce import flow_figures

    found = _documents("fields", request, store)
    titles = {"w-flow": "W-Flow", "drifting": "Drifting"}
    means = {
        name: {
            key: fmean(study[name][key] for study in found)
            for key in ("alignment", "common", "rare")
        }
        for name in titles
    }
    table = Table(
        "Velocities at N(0, I) toward imbalanced modes",
        (
            "field",
            "cosine with the way to the exact partner",
            "share of the way, common modes",
            "rare modes",
        ),
        [
            [titles[name], *(f"{value:.3f}" for value in values.values())]
            for name, values in means.items()
        ],
        _setting("fields", request),
    )
    far = {name: values["rare"] / values["common"] for name, values in means.items()}
    claim = Claim(
        "the field of W-Flow sees far modes, that of drifting does not",
        verdict_of(far["w-flow"] > 0.5 and far["drifting"] < 0.1),
        f"the share of the way that particles go toward rare modes is {far['w-flow']:.3f} of that "
        f"toward common ones for W-Flow, {far['drifting']:.3f} for drifting",
    )
    panels = {title: found[0][name]["arrows"] for name, title in titles.items()}
    figures = {"w-flow-figure-9": flow_figures.arrows(panels, found[0]["targets"])}
    return Summary({"fields": means}, [table], figures, [claim])


def _distances(store: Store, runs: Mapping[str, Sequence[RunJob]]) -> list[list[str]]:
    """Title, W2 squared of stage I, and its floor, a line for each."""
    lines = []
    for title, those in runs.items():
        (score,) = curve(rows_of(store, those), Kind("exact", None), 1).values()
        lines.append([title, str(score), f"{score.floor:.5f}"])
    return lines


def _setting(name: str, request: Request) -> str:
    pairs = sizes.of(name, request.preset).items()
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in pairs) + "."


TARGETS = (
    Target(
        "w-flow-figure-2",
        "training on the landscape of the Sinkhorn divergence",
        f"{_PAGE}, figure 2b",
        functools.partial(_study, "landscape"),
        _landscape,
    ),
    Target(
        "w-flow-figure-3",
        "one batch against two on a Gaussian",
        f"{_PAGE}, figure 3",
        functools.partial(_study, "batches"),
        _batches,
    ),
    Target(
        "w-flow-figure-5",
        "from an oval to a circle, and how far particles move",
        f"{_PAGE}, figure 5a",
        _oval_jobs,
        _oval,
    ),
    Target(
        "w-flow-figure-6",
        "coverage of imbalanced modes",
        f"{_PAGE}, figure 6a",
        functools.partial(_jobs, "imbalanced", _RIVALS),
        functools.partial(_coverage, "w-flow-figure-6", _RIVALS),
    ),
    Target(
        "w-flow-figure-7",
        "estimates of self-transport on imbalanced modes",
        f"{_PAGE}, figure 7",
        functools.partial(_jobs, "imbalanced", _ESTIMATORS),
        functools.partial(_coverage, "w-flow-figure-7", _ESTIMATORS),
    ),
    Target(
        "w-flow-figure-8",
        "guidance by velocities and by distributions",
        f"{_PAGE}, figure 8",
        functools.partial(_study, "guidance"),
        _guidance,
    ),
    Target(
        "w-flow-figure-9",
        "velocities of W-Flow and of drifting",
        f"{_PAGE}, figure 9",
        functools.partial(_study, "fields"),
        _fields,
    ),
)
