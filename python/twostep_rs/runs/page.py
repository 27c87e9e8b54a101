"""The report of a run: one HTML page with everything in it, which opens offline."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from twostep_rs.methods import registry
from twostep_rs.runs import config_file, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from twostep_rs.config import Config
    from twostep_rs.runs.evaluation import Row

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff;
       max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0.2rem; }
h2 { font-size: 1.15rem; margin-top: 2.4rem; border-bottom: 1px solid #ccc; }
.lead { color: #555; margin-top: 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0.6rem 0; }
th, td { padding: 0.2rem 0.7rem; text-align: right; white-space: nowrap; }
th { border-bottom: 1px solid #888; font-weight: 600; }
tbody tr:nth-child(even) { background: #f5f6f8; }
.words td:nth-child(n+2), .words th:nth-child(n+2) { text-align: left; white-space: normal; }
figure { margin: 1rem 0; overflow-x: auto; }
img { max-width: 100%; }
figcaption, .note { color: #555; font-size: 0.9rem; }
pre { background: #f5f6f8; padding: 0.8rem; overflow-x: auto; font-size: 0.8rem; }
"""

_MEANING = (
    "W2 squared is in units of length squared. The floor is the distance that two independent "
    "simulations have between themselves: no generator can be expected to come closer, and a "
    "score is read as a multiple of it. Sources and references are fresh and share nothing with "
    "each other or with training. Parameters outside the training range are extrapolation."
)

_STEP_NAMES = {
    "simulate": "simulation of the training clouds",
    "stage_1": "training of stage I",
    "stage_2": "training of stage II",
    "couplings": "exact couplings, within stage II",
    "evaluate": "evaluation",
}


@dataclass(frozen=True)
class Picture:
    """A figure of the report.

    Attributes:
        png: the image.
        caption: what it shows.
    """

    png: bytes
    caption: str


@dataclass(frozen=True)
class Table:
    """A further table of the report.

    Attributes:
        title: above it.
        heading: names of the columns.
        lines: the cells.
        note: below it.
    """

    title: str
    heading: Sequence[str]
    lines: Sequence[Sequence[str]]
    note: str


def render(
    title: str,
    config: Config,
    rows: Sequence[Row],
    *,
    axis: str,
    pictures: Sequence[Picture],
    seconds: Mapping[str, float],
    environment: Mapping[str, Any],
    printed: Mapping[int, Mapping[float, float]],
    tables: Sequence[Table] = (),
) -> str:
    """The page.

    Args:
        title: of the experiment.
        config: of the run.
        rows: the evaluation.
        axis: name of the parameter.
        pictures: figures, in their order.
        seconds: of every step.
        environment: versions and machine.
        printed: published W2 squared by stage and parameter; may be empty.
        tables: further ones.
    """
    method = registry.get(config.method)
    subtitle = (
        f"{config.experiment}, {method.title}, preset {config.preset}, physics "
        f"{config.simulation.physics}, seed {config.seed}, {config.device}"
    )
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="lead">{escape(subtitle)}</p>',
        f"<p>{escape(_summary(rows))}</p>",
        "<h2>Distance to fresh references</h2>",
        *_tables(rows, config, axis),
        f'<p class="note">{escape(_MEANING)}</p>',
        *(part for further in tables for part in _further(further)),
        "<h2>Figures</h2>",
        *map(_figure, pictures),
        *_printed(rows, printed, axis),
        "<h2>Seconds</h2>",
        _table(
            ["step", "seconds"],
            [[name, f"{seconds[key]:.1f}"] for key, name in _STEP_NAMES.items() if key in seconds],
        ),
        "<h2>Environment</h2>",
        _table(
            ["", "value"],
            [
                [name, "none" if value is None else str(value)]
                for name, value in environment.items()
            ],
            css="words",
        ),
        "<h2>Configuration</h2>",
        f"<pre>{escape(config_file.dumps(config))}</pre>",
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _summary(rows: Sequence[Row]) -> str:
    """The worst ratio of the last stage, inside and beyond the range of training."""
    last = max(row.stage for row in rows)
    kind = table.kinds(rows)[0]
    chosen = [by_stage[last] for by_stage in table.select(rows, kind).values()]
    sentences = []
    for inside, place in ((True, "Within"), (False, "Beyond")):
        there = [row for row in chosen if row.training_range is inside]
        if there:
            worst = max(there, key=lambda row: row.ratio)
            sentences.append(
                f"{place} the training range stage {table.roman(last)} is at most "
                f"{worst.ratio:.2f} ± {worst.ratio_standard_error:.2f} times the sampling floor, "
                f"at {worst.parameter:g}."
            )
    return " ".join(sentences)


def _tables(rows: Sequence[Row], config: Config, axis: str) -> Iterable[str]:
    for kind in table.kinds(rows):
        chosen = table.select(rows, kind)
        stages = next(iter(chosen.values()))
        lines = [table.cells(parameter, by_stage) for parameter, by_stage in chosen.items()]
        yield _table(table.heading(axis, stages), lines)
        yield f'<p class="note">{escape(table.caption(kind, config.evaluation))}</p>'


def _printed(
    rows: Sequence[Row], printed: Mapping[int, Mapping[float, float]], axis: str
) -> Iterable[str]:
    """Our W2 squared beside the published one, where there is one at the same parameter."""
    if not printed:
        return
    comparable = [kind for kind in table.kinds(rows) if kind.comparable]
    kind = comparable[0] if comparable else table.kinds(rows)[0]
    chosen = table.select(rows, kind)
    heads = [axis, "floor"]
    for stage in printed:
        name = f"stage {table.roman(stage)}"
        heads += [f"{name}, here", f"{name}, printed"]
    lines = []
    for parameter, by_stage in chosen.items():
        if all(parameter in values for values in printed.values()):
            line = [f"{parameter:g}", f"{next(iter(by_stage.values())).floor:.4f}"]
            for stage, values in printed.items():
                line += [f"{by_stage[stage].w2_squared:.4f}", f"{values[parameter]:.4f}"]
            lines.append(line)
    yield "<h2>Beside the printed numbers</h2>"
    yield _table(heads, lines)
    yield (
        '<p class="note">W2 squared. The printed columns say W2; their size beside the floor '
        f"shows that they are W2 squared. {_place(kind)}</p>"
    )


def _place(kind: table.Kind) -> str:
    """Where the histograms of the comparison lie."""
    if kind.metric != "histogram":
        return f"Ours are {kind.metric.replace('histogram', 'histograms of the plane')}."
    if kind.box is None:
        return "Both are of periodic histograms."
    box = "the same" if kind.box == "joint" else "the box of the reference"
    return f"They are taken to use the box of both clouds; ours use {box}."


def _further(further: Table) -> Iterable[str]:
    yield f"<h2>{escape(further.title)}</h2>"
    yield _table(further.heading, further.lines)
    yield f'<p class="note">{escape(further.note)}</p>'


def _figure(picture: Picture) -> str:
    data = base64.b64encode(picture.png).decode()
    caption = escape(picture.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _table(heads: Sequence[str], lines: Iterable[Sequence[str]], css: str = "") -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines
    )
    attribute = f' class="{css}"' if css else ""
    return f"<table{attribute}><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
