"""Sweeps over what the two-step method is trained on and by: stage I, particles, parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twostep_rs.experiments import ks3d_laminar
from twostep_rs.reproduce.competition import costs_of, rows_of_scores, scores
from twostep_rs.reproduce.entries import common
from twostep_rs.reproduce.job import RunJob
from twostep_rs.reproduce.scores import curve, mean_ratio, numbers
from twostep_rs.reproduce.target import Request, Summary, Target
from twostep_rs.runs import config_file
from twostep_rs.runs.page import Table
from twostep_rs.runs.table import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.reproduce.costs import Cost
    from twostep_rs.reproduce.job import Job
    from twostep_rs.reproduce.scores import Curve
    from twostep_rs.reproduce.store import Store

_NAME = ks3d_laminar.NAME
_KIND = Kind("histogram", "reference")


@dataclass(frozen=True)
class Variant:
    """A training that differs from the preset.

    Attributes:
        name: short, for files; variants of one name are one.
        title: for tables.
        changes: of the configuration, as ``key=value``.
        size: where it lies in its sweep, if that has an axis.
    """

    name: str
    title: str
    changes: tuple[str, ...] = ()
    size: float | None = None


@dataclass(frozen=True)
class Sweep:
    """Variants that differ in one thing.

    Attributes:
        title: what they differ in.
        variants: in the order of the table.
    """

    title: str
    variants: Sequence[Variant]

    @property
    def has_axis(self) -> bool:
        """Whether its variants have sizes, and can be drawn."""
        return all(variant.size is not None for variant in self.variants)


@dataclass(frozen=True)
class Measured:
    """Both stages of a variant over the seeds, and what its first seed has cost.

    Curves are empty where every training has diverged; the cost is None where the first one has.
    """

    first: Curve
    second: Curve
    cost: Cost | None


_UNCHANGED = "as-it-is"
_STAGE_1 = (
    Variant(_UNCHANGED, "as it is"),
    Variant("pair-velocity", "derivative along the pair", ("stage_1.method=meanflow",)),
    Variant("independent", "independent pairs", ("stage_1.coupling=independent",)),
    Variant("optimal", "pairs of an optimal plan", ("stage_1.coupling=exact",)),
    Variant("logit-normal", "logit-normal times", ("stage_1.times=logit-normal",)),
    Variant("no-jitter", "no noise on the parameter", ("stage_1.jitter=0",)),
    Variant("plain", "parameter in the trunk alone", ("stage_1.jitter=0", "stage_1.head=plain")),
    Variant("narrow", "half the width", ("stage_1.width=64",)),
)
_PARTICLES = (1_000, 2_000, 4_000, 8_000, 15_000, 30_000)
_PARAMETERS = (2, 3, 4, 8, 16)
_BRIEF_STAGE_1 = (_UNCHANGED, "independent")
_BRIEF_PARTICLES = (1_000, 3_000)
_BRIEF_PARAMETERS = (2, 8)


def sweeps(request: Request) -> tuple[Sweep, ...]:
    """All sweeps of a preset."""
    brief = request.preset == "quick"
    stage_1 = [v for v in _STAGE_1 if not brief or v.name in _BRIEF_STAGE_1]
    particles = _BRIEF_PARTICLES if brief else _PARTICLES
    parameters = _BRIEF_PARAMETERS if brief else _PARAMETERS
    batch = common(_NAME, request, request.seeds[0], None).stage_2.batch
    return (
        Sweep("Stage I", stage_1),
        Sweep("Particles of a training cloud", [_of_particles(n, batch) for n in particles]),
        Sweep("Parameters of the training", [_of_parameters(n) for n in parameters]),
    )


def _of_particles(count: int, batch: int) -> Variant:
    # A batch of stage II and its twin are drawn from one cloud.
    changes = (f"simulation.particles={count}", f"stage_2.batch={min(batch, count // 2)}")
    return Variant(f"particles-{count}", f"{count}", changes, count)


def _of_parameters(count: int) -> Variant:
    """So many parameters over the range of the preset, evenly by their logarithms."""
    low, high = min(ks3d_laminar.TRAINING), max(ks3d_laminar.TRAINING)
    values = (low * (high / low) ** (k / (count - 1)) for k in range(count))
    changes = (f"simulation.parameters={','.join(f'{value:.6g}' for value in values)}",)
    return Variant(f"parameters-{count}", f"{count}", changes, count)


def run_of(variant: Variant, request: Request, seed: int) -> RunJob:
    """The training of a variant; those that change nothing are one."""
    plain = common(_NAME, request, seed, None)
    config = config_file.override(plain, variant.changes)
    name = _UNCHANGED if config == plain else variant.name
    return RunJob(
        f"{_NAME}/{request.preset}-sweep-{name}-s{seed}",
        config,
        only=("simulate", "stage_1", "stage_2"),
    )


def jobs(request: Request) -> list[Job]:
    """The scores of every variant and seed."""
    return [
        scores(run_of(variant, request, seed))
        for seed in request.seeds
        for sweep in sweeps(request)
        for variant in sweep.variants
    ]


def summarise(request: Request, store: Store) -> Summary:
    """A table for every sweep, and a figure of those that have an axis."""
    from twostep_rs.reproduce.sweep_figures import sweeps_figure

    found = {
        sweep.title: {v: _measured(v, request, store) for v in sweep.variants}
        for sweep in sweeps(request)
    }
    document: dict[str, Any] = {
        title: {
            variant.name: numbers({"stage I": each.first, "stage II": each.second})
            for variant, each in measured.items()
        }
        for title, measured in found.items()
    }
    drawn = {
        sweep.title: [
            (float(variant.size or 0), each.first, each.second)
            for variant, each in found[sweep.title].items()
        ]
        for sweep in sweeps(request)
        if sweep.has_axis
    }
    return Summary(
        document,
        [_table(title, measured, len(request.seeds)) for title, measured in found.items()],
        {"training-sweeps": sweeps_figure(drawn)},
    )


def _measured(variant: Variant, request: Request, store: Store) -> Measured:
    runs = [run_of(variant, request, seed) for seed in request.seeds]
    rows = rows_of_scores(store, runs)
    kind = next((Kind(row.metric, row.box) for of_seed in rows for row in of_seed), _KIND)
    first, second = (curve(rows, kind, stage) for stage in (1, 2))
    return Measured(first, second, costs_of(store, runs[:1])[0])


def _table(title: str, measured: dict[Variant, Measured], seeds: int) -> Table:
    over = f"{seeds} seeds" if seeds > 1 else "one seed, ± over references"
    return Table(
        title,
        (
            "variant",
            *(f"{stage}, {where}" for stage in ("I", "II") for where in ("inside", "beyond")),
            "training, s",
            "memory, MB",
            "on the GPU, MB",
        ),
        [
            [
                variant.title,
                *(
                    _text(*mean_ratio(each, inside=inside))
                    for each in (found.first, found.second)
                    for inside in (True, False)
                ),
                *_cells(found.cost),
            ]
            for variant, found in measured.items()
        ],
        "W2 squared over the sampling floor by stage I and stage II, mean over the parameters "
        f"inside the range of training or beyond it; over {over}. Seconds of both stages and the "
        "largest memory of the process are those of the first seed, beside the other jobs of the "
        "list.",
    )


def _cells(cost: Cost | None) -> list[str]:
    if cost is None:
        return ["diverged", "-", "-"]
    return [f"{cost.training:.1f}", f"{cost.memory_mb:.0f}", f"{cost.gpu_memory_mb:.0f}"]


def _text(mean: float, error: float) -> str:
    return "-" if math.isnan(mean) else f"{mean:.2f} ± {error:.2f}"


TARGETS = (
    Target(
        "training-sweeps",
        "variants of stage I, numbers of particles and of training parameters",
        "our own",
        jobs,
        summarise,
    ),
)
