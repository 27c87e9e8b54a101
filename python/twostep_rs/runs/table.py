"""The table of W2 squared against the parameter, as lines of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twostep_rs.config import EvaluationConfig
    from twostep_rs.runs.evaluation import Row


SUBSAMPLES = {
    "subsample_independent": "from independent sources",
    "subsample_paired": "from the same source particles",
}


@dataclass(frozen=True)
class Kind:
    """What was measured: a metric and, for histograms, where their box lies."""

    metric: str
    box: str | None

    @property
    def comparable(self) -> bool:
        """Whether the published numbers are of this kind."""
        on_torus = self.box is None and self.metric in ("histogram", "histogram x1 x3")
        return self.box == "joint" or on_torus

    def describe(self, config: EvaluationConfig) -> str:
        """The metric in words."""
        kind, _, axes = self.metric.partition(" ")
        if kind == "exact":
            return "exact W2 squared between clouds"
        if kind.startswith("subsample"):
            which = SUBSAMPLES[kind]
            return f"exact W2 squared between {config.subsample} particles of each cloud, {which}"
        plane = f" of the plane {axes}" if axes else ""
        if kind == "masses":
            return f"W2 squared from histograms{plane} to exact masses, {config.bins} bins per axis"
        box = f", box {self.box}" if self.box else ""
        return f"W2 squared between histograms{plane}, {config.bins} bins per axis{box}"


def kinds(rows: Iterable[Row]) -> list[Kind]:
    """The kinds of the rows, in their order."""
    return list(dict.fromkeys(Kind(row.metric, row.box) for row in rows))


def select(rows: Iterable[Row], kind: Kind) -> dict[float, dict[int, Row]]:
    """Rows of one kind, by parameter and stage."""
    chosen: dict[float, dict[int, Row]] = {}
    for row in rows:
        if Kind(row.metric, row.box) == kind:
            chosen.setdefault(row.parameter, {})[row.stage] = row
    return chosen


def roman(stage: int) -> str:
    """The number of a stage as it is written."""
    return {1: "I", 2: "II"}.get(stage, str(stage))


def heading(axis: str, stages: Iterable[int]) -> list[str]:
    """Names of the columns of :func:`cells`."""
    columns = [axis, "floor"]
    for stage in stages:
        name = f"stage {roman(stage)}" if stage else "particles"
        columns += [name, "W2", "ratio to floor"]
    return [*columns, "training range"]


def cells(parameter: float, by_stage: dict[int, Row]) -> list[str]:
    """One line of the table."""
    any_row = next(iter(by_stage.values()))
    line = [f"{parameter:g}", plus_minus(any_row.floor, any_row.floor_standard_error)]
    for row in by_stage.values():
        line += [
            plus_minus(row.w2_squared, row.standard_error),
            f"{row.w2_squared**0.5:.3f}",
            f"{row.ratio:.2f} ± {row.ratio_standard_error:.2f}",
        ]
    return [*line, "yes" if any_row.training_range else "no"]


def plus_minus(value: float, error: float) -> str:
    """A distance with its standard error, in steps of 1e-5 or finer where it is small."""
    digits = 5 if value >= 1e-3 else 7
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def text(rows: Sequence[Row], config: EvaluationConfig, axis: str) -> str:
    """The table of the first kind for a terminal, with what its numbers are."""
    kind = kinds(rows)[0]
    chosen = select(rows, kind)
    stages = next(iter(chosen.values()))
    lines = [heading(axis, stages), *(cells(p, by_stage) for p, by_stage in chosen.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    printed = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([printed[0], "-" * len(printed[0]), *printed[1:], "", caption(kind, config)])


def caption(kind: Kind, config: EvaluationConfig) -> str:
    """What the numbers of a table are."""
    return (
        f"{kind.describe(config)}; {config.particles} fresh particles; mean over "
        f"{config.references} references, floor over {config.floor_pairs} pairs of references; "
        "± is the standard error; W2 is the root of the column before it"
    )
