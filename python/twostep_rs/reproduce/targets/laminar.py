"""Figures 2 and 3: both stages in the laminar flow, against sigma and at 160.

Twice: with the simulator's own pairs, as the algorithm is printed, and with independent pairs,
whose stage I scores as the printed one does.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from twostep_rs import experiments
from twostep_rs.config import StageOneConfig
from twostep_rs.experiments import ks3d_laminar
from twostep_rs.reproduce.claims import Claim, verdict_of
from twostep_rs.reproduce.job import RunJob
from twostep_rs.reproduce.runs_of import rows_of, run_directory, whole_run
from twostep_rs.reproduce.scores import curve, lower, mean_rows, numbers
from twostep_rs.reproduce.target import Request, Summary, Target
from twostep_rs.reproduce.targets import ablations
from twostep_rs.runs.clouds import read_gallery
from twostep_rs.runs.page import Table
from twostep_rs.runs.table import Kind, kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

    from twostep_rs.reproduce.claims import Verdict
    from twostep_rs.reproduce.scores import Curve
    from twostep_rs.reproduce.store import Store

_NAME = ks3d_laminar.NAME
_PAPER = "Two-Step Diffusion, section 4.1"


def _readings(request: Request, seed: int) -> dict[str, RunJob]:
    """The run of the preset, and the same with independent pairs."""
    preset = whole_run(_NAME, request, seed)
    first = ablations.base(request, seed)
    config = experiments.get(_NAME).config(request.preset)
    assert isinstance(config.stage_1, StageOneConfig)
    stage_1 = dataclasses.replace(config.stage_1, coupling="independent")
    config = request.configured(dataclasses.replace(config, stage_1=stage_1), seed)
    name = f"{_NAME}/{request.preset}-independent-s{seed}/two-step"
    return {
        "pairs of the simulator": preset,
        "independent pairs": RunJob(name, config, stage_1_of=first),
    }


def jobs(request: Request) -> list[RunJob]:
    """Both readings of every seed."""
    return [job for seed in request.seeds for job in _readings(request, seed).values()]


def figure_2(request: Request, store: Store) -> Summary:
    """Both stages against sigma."""
    from twostep_rs.runs.figures import w2_curve

    found: dict[str, Curve] = {}
    tables, figures, claims = [], {}, []
    for reading in _readings(request, request.seeds[0]):
        runs = [_readings(request, seed)[reading] for seed in request.seeds]
        rows = rows_of(store, runs)
        kind = next((k for k in kinds(rows[0]) if k.comparable), kinds(rows[0])[0])
        first, second = (curve(rows, kind, stage) for stage in (1, 2))
        found |= {f"{reading}, stage I": first, f"{reading}, stage II": second}
        tables.append(_table(reading, kind, first, second, len(runs)))
        claims += _claims(reading, first, second)
        figures[f"figure-2-{reading.split()[0]}"] = _with_title(
            w2_curve(
                mean_rows(rows),
                runs[0].config.simulation.parameters,
                experiments.get(_NAME).axis_label,
                experiments.get(_NAME).printed,
            ),
            reading,
        )
    return Summary(numbers(found), tables, figures, claims)


def figure_3(request: Request, store: Store) -> Summary:
    """Projections beyond the range of training."""
    from twostep_rs.runs.figures import projections

    figures = {}
    shown = 0.0
    for reading, job in _readings(request, request.seeds[0]).items():
        gallery = read_gallery(run_directory(store, job).evaluation_clouds)
        shown = min(gallery, key=lambda parameter: abs(parameter - ablations.SHOWN))
        title = f"sigma = {shown:g}, {reading}"
        figures[f"figure-3-{reading.split()[0]}"] = projections(gallery[shown], title)
    return Summary({"parameter": shown}, (), figures)


def _table(reading: str, kind: Kind, first: Curve, second: Curve, seeds: int) -> Table:
    printed = experiments.get(_NAME).printed
    lines = [
        [
            f"{sigma:g}{'' if first[sigma].training_range else ' *'}",
            f"{first[sigma].floor:.5f}",
            str(first[sigma]),
            f"{printed[1][sigma]:.4f}" if sigma in printed[1] else "",
            str(second[sigma]),
            f"{printed[2][sigma]:.4f}" if sigma in printed[2] else "",
        ]
        for sigma in first
    ]
    place = "of both clouds" if kind.box == "joint" else "of the reference"
    return Table(
        f"W2 squared against sigma, {reading}",
        ("sigma", "floor", "MeanFlow", "printed", "Deep Particle", "printed"),
        lines,
        f"24³ histograms in the box {place}, mean over {seeds} seeds ± standard error (over "
        "references where there is one). Printed as W2; the size beside the floor says W2 "
        "squared. * lies outside the range of training.",
    )


def _claims(reading: str, first: Curve, second: Curve) -> list[Claim]:
    printed: Mapping[float, float] = experiments.get(_NAME).printed[2]
    below = lower(second, first)
    sure = [
        p
        for p in below
        if first[p].value - second[p].value > 2.0 * (first[p].error + second[p].error)
    ]
    least = max(score.ratio for score in first.values() if score.training_range)
    beyond = max(second)
    known = [p for p in second if p in printed]
    ahead = [p for p in known if second[p].value <= printed[p]]
    near = [p for p in known if second[p].value - 2.0 * second[p].error <= printed[p]]
    gain, said = first[beyond].value / second[beyond].value, 0.197 / 0.0214
    return [
        Claim(
            f"Deep Particle lowers W2 at every sigma ({reading})",
            _verdict_of_refinement(len(below), len(sure), len(first), least),
            f"lower at {len(below)} of {len(first)}, beyond two standard errors at {len(sure)}; "
            f"MeanFlow alone is at most {least:.2f} times the floor in the range of training",
        ),
        Claim(
            f"and most at the largest sigma, {said:.1f} times ({reading})",
            verdict_of(gain > 0.5 * said),
            f"{gain:.2f} times at {beyond:g}, from {first[beyond].ratio:.2f} to "
            f"{second[beyond].ratio:.2f} times the floor",
        ),
        Claim(
            f"printed distances of Deep Particle ({reading})",
            "better" if len(ahead) == len(known) else verdict_of(len(near) == len(known)),
            f"ours are at or below the printed ones at {len(ahead)} of {len(known)}, within two "
            f"standard errors at {len(near)}",
        ),
    ]


def _verdict_of_refinement(below: int, sure: int, count: int, least: float) -> Verdict:
    if below == count and 2 * sure > count:
        return "reproduced"
    # Nothing can be lowered that is at the floor already.
    return "open" if least < 1.1 else "not reproduced"


def _with_title(figure: Figure, title: str) -> Figure:
    """The figure with this above the titles of its panels; the legend is above all."""
    for axes in figure.axes:
        if axes.get_title():
            axes.title.set_text(f"{title}\n{axes.get_title()}")
    return figure


TARGETS = (
    Target(
        "figure-2", "both stages against sigma, laminar flow", f"{_PAPER}, figure 2", jobs, figure_2
    ),
    Target(
        "figure-3",
        "projections at sigma = 160, laminar flow",
        f"{_PAPER}, figure 3",
        jobs,
        figure_3,
    ),
)
