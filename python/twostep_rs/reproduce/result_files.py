"""What a target leaves: ``result.json``, ``result.md`` and figures."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from twostep_rs.runs.files import write_atomically, write_json
from twostep_rs.runs.pictures import write_figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from twostep_rs.reproduce.claims import Claim
    from twostep_rs.reproduce.target import Request, Summary, Target
    from twostep_rs.runs.page import Table

FORMAT = 1

# What of an environment tells machines apart.
_MACHINE = ("processor", "cores", "gpu", "torch", "twostep_rs", "python")


def write_result(
    directory: Path,
    target: Target,
    request: Request,
    summary: Summary,
    *,
    seeds: Sequence[int],
    seconds: float,
    days: Iterable[str | None],
    environments: Iterable[dict[str, Any]],
) -> None:
    """Write all files of a result.

    Args:
        directory: where to.
        target: of the result.
        request: what was asked for.
        seeds: those of them that are done.
        summary: the result.
        seconds: of all its jobs together.
        days: on which its jobs were done.
        environments: of its jobs.

    Raises:
        RunDirectoryError: there is no space or no permission.
        ModuleNotFoundError: matplotlib is not installed.
    """
    for name, figure in summary.figures.items():
        write_figure(directory, name, figure)
    machines = {
        tuple((key, found.get(key)) for key in _MACHINE if found.get(key) is not None)
        for found in environments
    }
    document = {
        "format": FORMAT,
        "target": target.name,
        "title": target.title,
        "source": target.source,
        "command": command(target, request),
        "request": asdict(request),
        "seeds": list(seeds),
        "seconds": round(seconds, 1),
        "days": sorted({day for day in days if day is not None}),
        "machines": [dict(machine) for machine in sorted(machines, key=str)],
        "claims": [asdict(claim) for claim in summary.claims],
        "tables": [_as_lists(table) for table in summary.tables],
        "figures": list(summary.figures),
        "numbers": summary.numbers,
    }
    write_atomically(directory / "result.md", markdown(document).encode())
    write_json(directory / "result.json", document)


def command(target: Target, request: Request) -> str:
    """The line that makes the result."""
    words = ["twostep reproduce", target.name, f"--preset {request.preset}"]
    if target.seeded:
        words.append(f"--seeds {len(request.seeds)}")
    if request.device != "cpu":
        words.append(f"--device {request.device}")
    if request.overrides:
        words.append(f"--set {' '.join(request.overrides)}")
    return " ".join(words)


def markdown(document: dict[str, Any], figures: str = "") -> str:
    """A result as text.

    Args:
        document: of ``result.json``.
        figures: path from the text to the directory of the figures, with a slash at its end.
    """
    parts = [
        f"# {document['target']}: {document['title']}",
        f"{document['source']}. Made by `{document['command']}`{_seeds(document['seeds'])}.",
    ]
    if document["claims"]:
        lines = [[c["statement"], c["verdict"], c["reason"]] for c in document["claims"]]
        parts.append(_table(["claim", "verdict", "why"], lines))
    for table in document["tables"]:
        parts += [f"## {table['title']}", _table(table["heading"], table["lines"]), table["note"]]
    parts += [f"![{name}]({figures}{name}.png)" for name in document["figures"]]
    parts.append(
        "; ".join(
            ", ".join(f"{key} {value}" for key, value in machine.items())
            for machine in document["machines"]
        )
        + "".join(f"; {day}" for day in document["days"])
        + f". All jobs together took {document['seconds']:.0f} s."
    )
    return "\n\n".join(parts) + "\n"


def _seeds(seeds: Sequence[int]) -> str:
    """Those a result is made of; of a request some may be missing."""
    return f", seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}" if seeds else ""


def claims_text(claims: Sequence[Claim]) -> str:
    """Claims and verdicts for a terminal, one a line."""
    width = max((len(claim.verdict) for claim in claims), default=0)
    return "\n".join(
        f"  {claim.verdict:<{width}}  {claim.statement} ({claim.reason})" for claim in claims
    )


def _table(heading: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heading, ["---"] * len(heading), *lines]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows
    )


def _as_lists(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "heading": list(table.heading),
        "lines": [list(line) for line in table.lines],
        "note": table.note,
    }
