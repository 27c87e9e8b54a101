"""Figure 5: four dimensions, by subsamples in both readings and by whole clouds."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from twostep_rs import experiments
from twostep_rs.experiments import ks4d_laminar
from twostep_rs.reproduce.claims import Claim, verdict_of
from twostep_rs.reproduce.job import RunJob
from twostep_rs.reproduce.runs_of import rows_of
from twostep_rs.reproduce.scores import curve, mean_rows, numbers
from twostep_rs.reproduce.target import Request, Summary, Target
from twostep_rs.runs.page import Table
from twostep_rs.runs.table import Kind, kinds

if TYPE_CHECKING:
    from twostep_rs.config import Metric
    from twostep_rs.reproduce.scores import Curve
    from twostep_rs.reproduce.store import Store

_NAME = ks4d_laminar.EXPERIMENT.name
_METRICS: tuple[Metric, ...] = ("subsample_independent", "subsample_paired", "exact")
_INDEPENDENT, _PAIRED, _EXACT = (Kind(metric, None) for metric in _METRICS)
_CALLED = {
    _INDEPENDENT: "subsamples of independent clouds",
    _PAIRED: "subsamples of the same source particles",
    _EXACT: "all particles",
}

# What the text says; the table of the figure is a picture.
_PRINTED = {1: {120.0: 0.0572, 200.0: 0.1526}, 2: {120.0: 0.0036, 200.0: 0.0134}}
_MODERATE = 0.004


def jobs(request: Request) -> list[RunJob]:
    """A run of every seed, evaluated by the metrics of the figure."""
    config = experiments.get(_NAME).config(request.preset)
    evaluation = dataclasses.replace(
        config.evaluation,
        metrics=_METRICS,
        parameters=(20.0, 120.0, 200.0) if request.preset == "quick" else ks4d_laminar.TEST,
    )
    config = dataclasses.replace(config, evaluation=evaluation)
    return [
        RunJob(f"{_NAME}/{request.preset}-figure-5-s{seed}", request.configured(config, seed))
        for seed in request.seeds
    ]


def summarise(request: Request, store: Store) -> Summary:
    """Both stages against sigma by every metric, and which reading the printed numbers have."""
    rows = rows_of(store, jobs(request))
    found = {kind: (curve(rows, kind, 1), curve(rows, kind, 2)) for kind in _CALLED}
    return Summary(
        numbers(
            {
                f"{_CALLED[kind]}, stage {'I' * stage}": scores
                for kind, stages in found.items()
                for stage, scores in zip((1, 2), stages, strict=True)
            }
        ),
        [_table(kind, *stages, len(rows)) for kind, stages in found.items()],
        {"figure-5": _figure(request, rows)},
        [
            _reading_claim(found[_INDEPENDENT][0], found[_PAIRED][0]),
            *_growth_claims(*found[_PAIRED], "subsamples of the same source particles"),
            *_growth_claims(*found[_EXACT], "all particles"),
        ],
    )


def _table(kind: Kind, first: Curve, second: Curve, seeds: int) -> Table:
    with_printed = kind != _EXACT
    lines = []
    for sigma, score in first.items():
        line = [f"{sigma:g}{'' if score.training_range else ' *'}", f"{score.floor:.5f}"]
        for stage, scores in ((1, first), (2, second)):
            line.append(str(scores[sigma]))
            if with_printed:
                known = _PRINTED[stage].get(sigma)
                line.append("" if known is None else f"{known:.4f}")
        lines.append([*line, f"{first[sigma].ratio:.2f}", f"{second[sigma].ratio:.2f}"])
    heading = ["sigma", "floor", "MeanFlow", "printed", "Deep Particle", "printed"]
    if not with_printed:
        heading = [name for name in heading if name != "printed"]
    return Table(
        f"W2 squared by {_CALLED[kind]}",
        (*heading, "MeanFlow / floor", "Deep Particle / floor"),
        lines,
        f"Exact, mean over {seeds} seeds ± standard error (over references where there is one). "
        "Subsamples are of 2000 particles, clouds of 15 000. * lies outside the range of training.",
    )


def _figure(request: Request, rows: list[tuple[Any, ...]]) -> Any:
    from twostep_rs.runs.figures import STAGES, w2_curve

    known = experiments.get(_NAME)
    training = known.config(request.preset).simulation.parameters
    figure = w2_curve(mean_rows(rows), training, known.axis_label)
    for axes, kind in zip(figure.axes, kinds(rows[0]), strict=False):
        if kind == _EXACT:
            continue
        for stage, values in _PRINTED.items():
            _, color, marker = STAGES[stage]
            axes.plot(list(values), list(values.values()), marker, color=color, mfc="white")
    figure.axes[0].annotate(
        "open markers: as printed", (0.03, 0.95), xycoords="axes fraction", fontsize=8, va="top"
    )
    return figure


def _reading_claim(independent: Curve, paired: Curve) -> Claim:
    sigma = min(independent)
    apart, alike = independent[sigma], paired[sigma]
    fits = alike.floor <= _MODERATE < 0.5 * apart.floor
    return Claim(
        "about 0.004 at sigma up to 100, on two independent subsamples of 2000",
        "not reproduced" if fits else "open",
        f"two independent subsamples of one law lie {apart.floor:.4f} ± {apart.floor_error:.4f} "
        f"apart at sigma = {sigma:g}; only subsamples that share their source particles, "
        f"{alike.floor:.4f} ± {alike.floor_error:.4f}, can give the printed 0.004",
    )


def _growth_claims(first: Curve, second: Curve, how: str) -> list[Claim]:
    most = max(first)
    gain, said = first[most].value / second[most].value, 0.1526 / 0.0134
    return [
        Claim(
            f"MeanFlow grows sharply beyond sigma = 120 ({how})",
            "reproduced" if first[most].ratio > 5.0 else "better",
            f"{first[most].ratio:.1f} times the floor at {most:g}, "
            f"{first[min(first)].ratio:.2f} at {min(first):g}",
        ),
        Claim(
            f"Deep Particle stays nearly flat, {said:.0f} times lower at 200 ({how})",
            verdict_of(gain > 0.5 * said),
            f"{gain:.1f} times lower at {most:g}, {second[most].ratio:.1f} times the floor",
        ),
    ]


TARGETS = (
    Target(
        "figure-5",
        "both stages against sigma in four dimensions",
        "Two-Step Diffusion, section 6.1, figure 5",
        jobs,
        summarise,
    ),
)
