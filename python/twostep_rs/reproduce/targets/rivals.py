"""Table 2 and figures 6 to 8: rivals, each alone and with stage II behind it."""

from __future__ import annotations

import functools
import itertools
import math
from typing import TYPE_CHECKING, Any

from twostep_rs.reproduce.claims import Claim, verdict_of
from twostep_rs.reproduce.competition import (
    clouds_run,
    competitor,
    costs_of,
    gallery,
    rows_of_scores,
    scores,
)
from twostep_rs.reproduce.costs import costs_table
from twostep_rs.reproduce.entries import Entry, entries
from twostep_rs.reproduce.method_tables import significantly_below
from twostep_rs.reproduce.ranking import ranking
from twostep_rs.reproduce.scores import Curve, curve, numbers, ratio_at
from twostep_rs.reproduce.target import Request, Summary, Target
from twostep_rs.reproduce.untrained import untrained_curves, untrained_job
from twostep_rs.runs.clouds import read_gallery
from twostep_rs.runs.page import Table
from twostep_rs.runs.table import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from twostep_rs.config import Coupling
    from twostep_rs.reproduce.job import Job, RunJob
    from twostep_rs.reproduce.store import Store

_PAPER = "Two-Step Diffusion, section 6.3"
_EXPERIMENT = "ks3d-laminar"
_SIGMA = tuple(20.0 * k for k in range(1, 11))

# Table 2 of the two-step paper. The columns say W2; their size beside the sampling floor shows
# that they are W2 squared.
PRINTED = {
    "MeanFlow": (0.0084, 0.0068, 0.007, 0.0105, 0.0132, 0.0201, 0.0216, 0.0403, 0.0832, 0.197),
    "IMM": (0.0089, 0.0096, 0.0094, 0.0103, 0.0115, 0.0117, 0.012, 0.0145, 0.0363, 0.0897),
    "SF2M-OT": (0.0051, 0.0046, 0.0056, 0.0059, 0.0065, 0.0074, 0.0091, 0.0097, 0.0186, 0.0403),
    "two-step": (0.0047, 0.0046, 0.0049, 0.0056, 0.0059, 0.0065, 0.0073, 0.0082, 0.014, 0.0214),
}

# What they say from sigma = 160 on, from worst to best.
_ORDER = ("meanflow", "imm", "sf2m", "meanflow + DP")
_FAR = 160.0


def _pairings(request: Request) -> tuple[Coupling | None, ...]:
    """The printed method leaves open which pairs it is trained on; ours chooses by itself."""
    return ("paired", "independent") if request.preset == "paper" else (None,)


def _runs(request: Request, coupling: Coupling | None, entry: Entry) -> list[RunJob]:
    return [
        competitor(entry, _EXPERIMENT, request, seed, coupling=coupling) for seed in request.seeds
    ]


def _runs_of_seed(request: Request, coupling: Coupling | None, seed: int) -> list[RunJob]:
    return [
        competitor(entry, _EXPERIMENT, request, seed, coupling=coupling)
        for entry in entries(request.preset)
    ]


def _jobs(request: Request) -> list[Job]:
    return [
        job
        for seed in request.seeds
        for coupling in _pairings(request)
        for runs in [_runs_of_seed(request, coupling, seed)]
        for job in (*map(scores, runs), _untrained_job(request, seed))
    ]


def _untrained_job(request: Request, seed: int) -> Job:
    return untrained_job(clouds_run(_EXPERIMENT, request, seed))


def _figure_jobs(request: Request) -> list[Job]:
    return [
        scores(run)
        for entry in _shown(request)
        for run in _runs(request, _pairings(request)[0], entry)
    ]


def _shown(request: Request) -> list[Entry]:
    """The methods that the paper compares."""
    return [entry for entry in entries(request.preset) if entry.name in ("meanflow", "imm", "sf2m")]


def curves(
    store: Store, request: Request, coupling: Coupling | None, chosen: Sequence[Entry]
) -> dict[str, Curve]:
    """Scores of every entry alone, and with stage II where that follows, by name."""
    found: dict[str, Curve] = {}
    for entry in chosen:
        runs = _runs(request, coupling, entry)
        rows, config = rows_of_scores(store, runs), runs[0].config
        metric = config.evaluation.metrics[0]
        kind = Kind(metric, config.evaluation.boxes[0] if metric == "histogram" else None)
        if entry.alone:
            found[entry.name] = curve(rows, kind, 1)
        if config.stages == 2:
            found[f"{entry.name} + DP" if entry.alone else entry.name] = curve(rows, kind, 2)
    return found


def _table_2(request: Request, store: Store) -> Summary:
    everything: dict[str, Any] = {}
    tables, claims = [], []
    for coupling in _pairings(request):
        chosen = entries(request.preset)
        found = curves(store, request, coupling, chosen)
        references = _untrained(store, request)
        label = "" if coupling is None else f", pairs {coupling}"
        tables += [
            _scores_table({**found, **references}, request, label),
            _ranks_table(found, request, label),
        ]
        tables.append(_costs_table(store, request, coupling, chosen, label))
        claims += [_ordering(found, label), _lowest(found, label)]
        everything[coupling or "preset"] = numbers({**found, **references})
    return Summary(everything, [*tables, _printed_table()], _curves_figure(request, store), claims)


def _untrained(store: Store, request: Request) -> dict[str, Curve]:
    """Scores of what has no network, by name."""
    runs = [clouds_run(_EXPERIMENT, request, seed) for seed in request.seeds]
    return untrained_curves(store, runs)


def _scores_table(found: Mapping[str, Curve], request: Request, label: str) -> Table:
    first = _longest(found)
    return Table(
        f"W2 squared over the sampling floor{label}",
        ("sigma", "floor", *found, "training range"),
        [
            [
                f"{sigma:g}",
                f"{score.floor:.5f}",
                *(ratio_at(each, sigma) for each in found.values()),
                "yes" if score.training_range else "no",
            ]
            for sigma, score in first.items()
        ],
        f"Histogram; mean over {len(request.seeds)} seeds ± its standard error. + DP: stage II "
        "behind it. Data, network, steps, batch and seeds are the same for all; seeds whose "
        "trainings diverged are left out of the mean of a method.",
    )


def _longest(found: Mapping[str, Curve]) -> Curve:
    """Scores of a method that has not diverged, which has them at all parameters."""
    return max(found.values(), key=len)


def _ranks_table(found: Mapping[str, Curve], request: Request, label: str) -> Table:
    parameters = list(_longest(found))
    order = ranking(
        {
            name: [each[p].value if p in each else math.inf for p in parameters]
            for name, each in found.items()
        }
    )
    return Table(
        f"Mean ranks{label}",
        ("method", "mean rank", "not told from the best"),
        [
            [name, f"{rank:.2f}", "yes" if name in order.tied else "no"]
            for name, rank in order.ranks.items()
        ],
        f"Over {order.problems} values of sigma, means of {len(request.seeds)} seeds; critical "
        f"difference {order.critical_difference:.2f} (Nemenyi, 5 %), were they independent.",
    )


def _costs_table(
    store: Store,
    request: Request,
    coupling: Coupling | None,
    chosen: Sequence[Entry],
    label: str,
) -> Table:
    runs = _runs_of_seed(request, coupling, request.seeds[0])
    titles = [
        f"{entry.title}{' + DP' if run.config.stages == 2 and entry.alone else ''}"
        for entry, run in zip(chosen, runs, strict=True)
    ]
    return costs_table(f"Costs{label}", titles, costs_of(store, runs))


def _printed_table() -> Table:
    return Table(
        "As printed",
        ("sigma", *PRINTED),
        [
            [f"{sigma:g}", *(f"{column[k]:.4f}" for column in PRINTED.values())]
            for k, sigma in enumerate(_SIGMA)
        ],
        "The columns say W2; their size beside the floor says W2 squared.",
    )


def _ordering(found: Mapping[str, Curve], label: str) -> Claim:
    """The printed order at sigma >= 160, by differences of more than two standard errors."""
    far = [sigma for sigma in _longest(found) if sigma >= _FAR]
    held, reversed_ = 0, 0
    for sigma in far:
        for worse, better in itertools.pairwise(_ORDER):
            if not (found[worse] and found[better]):
                continue  # one of both has diverged
            one, other = found[worse][sigma], found[better][sigma]
            gap, error = one.value - other.value, math.hypot(one.error, other.error)
            held += gap > 2.0 * error
            reversed_ += gap < -2.0 * error
    total = len(far) * (len(_ORDER) - 1)
    verdict = "reproduced" if held == total else "not reproduced" if reversed_ else "open"
    return Claim(
        f"MeanFlow > IMM > SF2M-OT > two-step at sigma >= 160{label}",
        verdict,  # type: ignore[arg-type]
        f"of {total} neighbours {held} are in this order and {reversed_} in the other, by more "
        "than two standard errors",
    )


def _lowest(found: Mapping[str, Curve], label: str) -> Claim:
    """Two-step against every method of at most two evaluations."""
    ours = found["meanflow + DP"]
    rivals = {n: c for n, c in found.items() if n != "meanflow + DP" and not _many(n)}
    beaten = [
        (sigma, name)
        for sigma, score in ours.items()
        for name, each in rivals.items()
        if sigma in each and significantly_below(each[sigma], score)
    ]
    below = ", ".join(f"{name} at {sigma:g}" for sigma, name in beaten) or "nobody is below it"
    return Claim(
        f"two-step is lowest of all with at most two evaluations, within errors{label}",
        verdict_of(bool(ours) and not beaten),
        below if ours else "it has diverged",
    )


def _many(name: str) -> bool:
    return name.startswith(("flow-matching", "ot-cfm", "sf2m"))


def _curves_figure(request: Request, store: Store) -> dict[str, Figure]:
    from twostep_rs.reproduce.rival_figures import distances

    coupling = _pairings(request)[0]
    found = curves(store, request, coupling, _shown(request))
    training = _runs(request, coupling, _shown(request)[0])[0].config.simulation.parameters
    return {
        "figure-8": distances(
            found, training, dict(zip(PRINTED, map(_by_sigma, PRINTED), strict=True))
        )
    }


def _by_sigma(name: str) -> dict[float, float]:
    return dict(zip(_SIGMA, PRINTED[name], strict=True))


def _figure_8(request: Request, store: Store) -> Summary:
    found = curves(store, request, _pairings(request)[0], _shown(request))
    return Summary(numbers(found), [], _curves_figure(request, store))


def _histograms(sigma: float, request: Request, store: Store) -> Summary:
    from twostep_rs.runs.figures import projections

    coupling = _pairings(request)[0]
    names = {0: "reference"}
    clouds: dict[int, NDArray[np.float64]] = {}
    for entry in _shown(request):
        run = _runs(request, coupling, entry)[0]
        if not any(rows_of_scores(store, [run])):
            continue  # it has diverged, and left no clouds
        known = read_gallery(gallery(store, run))
        nearest = min(known, key=lambda value: abs(value - sigma))
        clouds.setdefault(0, known[nearest][0])
        for stage in (1, 2) if entry.name == "meanflow" else (1,):
            key = len(clouds)
            names[key] = entry.title if stage == 1 else "two-step"
            clouds[key] = known[nearest][stage]
    figure = projections(clouds, f"sigma = {nearest:g}", names)
    runs = [run.name for entry in _shown(request) for run in _runs(request, coupling, entry)]
    return Summary({"runs": runs}, (), {f"figure-{6 if sigma < 100 else 7}": figure})


TARGETS = (
    Target("table-2", "rivals, alone and refined", f"{_PAPER}, table 2", _jobs, _table_2),
    Target(
        "figure-6",
        "clouds of rivals inside the range of training",
        f"{_PAPER}, figure 6",
        _figure_jobs,
        functools.partial(_histograms, 20.0),
        most_seeds=1,
    ),
    Target(
        "figure-7",
        "clouds of rivals beyond the range of training",
        f"{_PAPER}, figure 7",
        _figure_jobs,
        functools.partial(_histograms, 160.0),
        most_seeds=1,
    ),
    Target("figure-8", "distances of rivals", f"{_PAPER}, figure 8", _figure_jobs, _figure_8),
)
