"""Tables in the layout of the paper's ablations: a column for each variant, our numbers first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twostep_rs.reproduce.targets import ablations
from twostep_rs.runs.directory import RunDirectory
from twostep_rs.runs.page import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.reproduce.scores import Curve
    from twostep_rs.reproduce.store import Store
    from twostep_rs.reproduce.target import Request
    from twostep_rs.reproduce.targets.ablations import Variant


@dataclass(frozen=True)
class Spent:
    """What a stage II took, means over seeds.

    Attributes:
        seconds: wall time of the training.
        couplings: of it, waiting for couplings.
        memory_mb: largest resident memory of the process.
        gpu_memory_mb: largest memory of tensors on a GPU; 0 without one.
    """

    seconds: float
    couplings: float
    memory_mb: float
    gpu_memory_mb: float


@dataclass(frozen=True)
class Column:
    """A variant, measured and as it is printed.

    Attributes:
        label: heading.
        scores: measured.
        spent: measured.
        printed: W2 squared by parameter; may be empty.
        printed_seconds: of the whole training.
    """

    label: str
    scores: Curve
    spent: Spent
    printed: Mapping[float, float]
    printed_seconds: float | None = None


def spent(store: Store, request: Request, variant: Variant) -> Spent:
    """What the training of a variant took."""
    found = []
    for seed in request.seeds:
        job = ablations.trained(request, seed, variant)
        done = RunDirectory.open(store.path(job)).status().done
        cost = store.cost(job)
        found.append(
            (done["stage_2"], done["couplings"], cost.peak_memory_mb, cost.peak_gpu_memory_mb)
        )
    return Spent(*(float(value) for value in np.mean(found, axis=0)))


def table(title: str, columns: Sequence[Column], note: str) -> Table:
    """Scores of all columns against sigma, then what they took."""
    first = columns[0].scores
    lines = [
        [
            f"{sigma:g}{'' if score.training_range else ' *'}",
            f"{score.floor:.5f}",
            *(_beside(str(c.scores[sigma]), c.printed.get(sigma), "{:.4f}") for c in columns),
        ]
        for sigma, score in first.items()
    ]
    lines += [
        ["seconds", "", *(_beside(f"{c.spent.seconds:.1f}", c.printed_seconds) for c in columns)],
        ["of them couplings", "", *(f"{c.spent.couplings:.1f}" for c in columns)],
        ["memory, MB", "", *(f"{c.spent.memory_mb:.0f}" for c in columns)],
    ]
    if any(c.spent.gpu_memory_mb for c in columns):
        gpu = [f"{c.spent.gpu_memory_mb:.0f}" for c in columns]
        lines.append(["of tensors on the GPU, MB", "", *gpu])
    return Table(title, ("sigma", "floor", *(c.label for c in columns)), lines, note)


def note(request: Request) -> str:
    """What the numbers of such a table are."""
    count = len(request.seeds)
    over = f"{count} seeds" if count > 1 else "one seed, ± over references"
    return (
        "W2 squared of stage II, in brackets as printed (there as W2; the size beside the floor "
        f"says W2 squared), between 24³ histograms in a box around both clouds; mean over {over}. "
        "* lies outside the range of training. Seconds are of the training of stage II, measured "
        "beside the other jobs of the list; memory is the largest of the process, its libraries "
        "included."
    )


def document(columns: Sequence[Column]) -> dict[str, Any]:
    """What the runs took, as JSON holds it."""
    return {
        c.label: {
            "seconds": c.spent.seconds,
            "couplings": c.spent.couplings,
            "memory_mb": c.spent.memory_mb,
            "gpu_memory_mb": c.spent.gpu_memory_mb,
            "printed_seconds": c.printed_seconds,
        }
        for c in columns
    }


def inside(scores: Curve) -> list[float]:
    """Parameters in the range of training."""
    return [parameter for parameter, score in scores.items() if score.training_range]


def mean_gap(one: Curve, other: Curve) -> tuple[float, float]:
    """Mean of ``one - other`` over the range of training, and its standard error.

    Both are scored against the same references from the same sources, whose scatter cancels for
    the most part, so that the error is an upper bound.
    """
    gaps = [one[p].value - other[p].value for p in inside(one)]
    errors = [np.hypot(one[p].error, other[p].error) for p in inside(one)]
    return float(np.mean(gaps)), float(np.sqrt(np.sum(np.square(errors))) / len(gaps))


def _beside(ours: str, printed: float | None, form: str = "{:.0f}") -> str:
    return ours if printed is None else f"{ours} ({form.format(printed)})"
