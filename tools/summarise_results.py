"""Means over seeds of recorded runs: ``summarise_results.py DIRECTORY``.

The runs in ``DIRECTORY/EXPERIMENT/NAME-sSEED`` differ in their seed alone. For each NAME,
``DIRECTORY/EXPERIMENT/NAME.json`` gets a row for every parameter, stage and metric, and
``DIRECTORY/README.md`` a table between the lines ``<!-- EXPERIMENT/NAME -->`` and ``<!-- end -->``,
where it has these. Where the first names a file, :mod:`result_tables` says what is between them.
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING

from result_tables import markdown, table_of
from scipy.stats import t as student

from twostep_rs.runs.evaluation_file import read_evaluation
from twostep_rs.runs.files import write_atomically, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from twostep_rs.runs.evaluation import Row

_RUN = re.compile(r"(?P<name>.+)-s(?P<seed>\d+)")
_BLOCK = re.compile(r"(<!-- (?P<name>[\w./-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

# The metric of the tables.
TABLE = ("histogram", "reference")


@dataclass(frozen=True)
class Summary:
    """One figure over all seeds.

    Attributes:
        parameter: of the system.
        training_range: whether it lies between those of training.
        stage: of the method.
        metric: as in a run.
        box: as in a run.
        seeds: of the runs.
        w2_squared: mean over the seeds.
        standard_error: of it, between seeds; between references where there is one seed.
        floor: mean of the distinct floors of the runs.
        floor_standard_error: of it.
        ratio: of these two means.
        low: end of its 95 % interval; Student's, with the degrees of freedom of the seeds, or of
            the references of one seed.
        high: the other end.
        worst: largest ratio of one seed.
    """

    parameter: float
    training_range: bool
    stage: int
    metric: str
    box: str | None
    seeds: tuple[int, ...]
    w2_squared: float
    standard_error: float
    floor: float
    floor_standard_error: float
    ratio: float
    low: float
    high: float
    worst: float

    @classmethod
    def of(cls, rows: Sequence[Row], references: int) -> Summary:
        """Of the rows of all seeds, each a mean over so many references."""
        first, count = rows[0], len(rows)
        value = mean(row.w2_squared for row in rows)
        error = (
            stdev(row.w2_squared for row in rows) / math.sqrt(count)
            if count > 1
            else first.standard_error
        )
        # Runs that were measured together share their floor.
        floors = {row.floor: row.floor_standard_error for row in rows}
        floor = mean(floors)
        floor_error = math.hypot(*floors.values()) / len(floors)
        ratio = value / floor
        quantile = float(student.ppf(0.975, (count if count > 1 else references) - 1))
        half = quantile * ratio * math.hypot(error / value, floor_error / floor)
        return cls(
            **{name: getattr(first, name) for name in _SHARED},
            seeds=tuple(sorted(row.seed for row in rows)),
            w2_squared=value,
            standard_error=error,
            floor=floor,
            floor_standard_error=floor_error,
            ratio=ratio,
            low=ratio - half,
            high=ratio + half,
            worst=max(row.w2_squared / floor for row in rows),
        )


_SHARED = ("parameter", "training_range", "stage", "metric", "box")


def main(directory: Path) -> None:
    """Write the summaries of all runs below ``directory``."""
    tables = {}
    for name, runs in _groups(directory).items():
        rows = [row for run in runs for row in read_evaluation(run / "evaluation.json")[0]]
        found = _summaries(rows, _references(runs[0]))
        document = {
            "runs": [str(run.relative_to(directory)) for run in runs],
            "rows": [dataclasses.asdict(summary) for summary in found],
        }
        write_json(directory / f"{name}.json", document)
        tables[name] = table(found)
    page = directory / "README.md"
    text = page.read_text(encoding="utf-8")
    write_atomically(page, _filled(text, tables, directory).encode())


def _groups(directory: Path) -> dict[str, list[Path]]:
    """Runs by ``EXPERIMENT/NAME``, in the order of their seeds."""
    groups: dict[str, list[tuple[int, Path]]] = {}
    for file in sorted(directory.glob("*/*/evaluation.json")):
        run = file.parent
        match = _RUN.fullmatch(run.name)
        if match is not None:
            name = f"{run.parent.name}/{match['name']}"
            groups.setdefault(name, []).append((int(match["seed"]), run))
    return {name: [run for _, run in sorted(runs)] for name, runs in groups.items()}


def _references(run: Path) -> int:
    config = tomllib.loads((run / "config.toml").read_text(encoding="utf-8"))
    return int(config["evaluation"]["references"])


def _summaries(rows: Iterable[Row], references: int) -> list[Summary]:
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        key = tuple(getattr(row, name) for name in _SHARED)
        groups.setdefault(key, []).append(row)
    return [Summary.of(group, references) for group in groups.values()]


def table(summaries: Sequence[Summary]) -> str:
    """Both stages over the floor, the largest of all seeds, and the excess between clouds."""
    by_place = {(s.parameter, s.stage, s.metric, s.box): s for s in summaries}
    chosen = [s for s in summaries if (s.metric, s.box) == TABLE and s.stage == 1]
    exact = any(s.metric == "exact" for s in summaries)
    head = ["sigma", "training range", "floor, 1e-4", "stage I / floor", "stage II / floor"]
    head += ["worst seed"] + ["exact excess of stage II, 1e-4"] * exact
    lines = [head]
    for first in chosen:
        second = by_place[(first.parameter, 2, *TABLE)]
        line = [f"{first.parameter:g}", "yes" if first.training_range else "no"]
        line += [_tenths(first.floor, first.floor_standard_error), _ratio(first), _ratio(second)]
        line.append(f"{second.worst:.2f}")
        if exact:
            cloud = by_place[first.parameter, 2, "exact", None]
            error = math.hypot(cloud.standard_error, cloud.floor_standard_error)
            line.append(_tenths(cloud.w2_squared - cloud.floor, error, sign="+"))
        lines.append(line)
    return f"{markdown(lines)}\n\n{_largest(by_place.values())}"


def _largest(summaries: Iterable[Summary]) -> str:
    """The largest mean ratios, in words."""
    parts = []
    for inside, where in ((True, "inside"), (False, "outside")):
        ratios = {
            stage: max(
                (
                    s.ratio
                    for s in summaries
                    if (s.metric, s.box, s.training_range, s.stage) == (*TABLE, inside, stage)
                ),
                default=None,
            )
            for stage in (1, 2)
        }
        if ratios[1] is not None and ratios[2] is not None:
            parts.append(f"{where} the range {ratios[1]:.2f} and {ratios[2]:.2f}")
    return f"Largest mean ratio of stage I and stage II: {', '.join(parts)}."


def _ratio(summary: Summary) -> str:
    return f"{summary.ratio:.2f} ({summary.low:.2f} to {summary.high:.2f})"


def _tenths(value: float, error: float, sign: str = "") -> str:
    """In units of 1e-4."""
    return f"{1e4 * value:{sign}.1f} ± {1e4 * error:.1f}"


def _filled(text: str, tables: dict[str, str], directory: Path) -> str:
    """The page with the tables in their places; a place without results stays as it is."""

    def fill(match: re.Match[str]) -> str:
        name = match["name"]
        if name in tables:
            table = tables[name]
        elif (directory / name).is_file():
            table = table_of(directory / name)
        else:
            return match[0]
        return f"{match[1]}\n{table}\n\n{match[3]}"

    return _BLOCK.sub(fill, text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
