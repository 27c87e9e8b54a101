"""The section of the page of benchmarks on methods beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmark_records import machine_of, read
from result_tables import markdown

from twostep_rs.reproduce.comparisons import ranks_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from twostep_rs.experiments.experiment import Preset

SYSTEMS = tuple(
    f"methods-{name}" for name in ("laminar", "kolmogorov", "4d", "aggregating", "kpp2d")
)
"""Targets that compare methods on one system."""

JUMPS = ("jumps-laminar", "jumps-4d", "jumps-kpp2d")
"""Targets that compare flow maps in several jumps."""

COMPARISONS = ("methods", *SYSTEMS, *JUMPS, "table-2", "mixture", "search")
"""Targets that compare methods."""

_PRESETS: tuple[Preset, ...] = ("paper", "full", "quick")


def section(results: Path) -> str:
    """Tables of every comparison of methods that was recorded, and ranks over all systems."""
    parts = [
        "What is the same for all, how options are searched and how to read the tables says "
        "[rivals](rivals.md). Under `paper` the options are those that are printed, in both "
        "readings of the pairs that the text leaves open."
    ]
    known = {
        name: read(results / "reproduce" / name / "result.json")
        for name in COMPARISONS
        if (results / "reproduce" / name / "result.json").exists()
    }
    for preset in _PRESETS:
        systems = [known[name] for name in SYSTEMS if name in known]
        parts += over_systems([one for one in systems if one["request"]["preset"] == preset])
    for name, found in known.items():
        parts.append(f"### {name}: {found['title']}")
        for table in found["tables"]:
            if table["title"] != "As printed":
                lines = [table["heading"], *table["lines"]]
                parts += [f"#### {table['title']}", markdown(lines), table["note"]]
        machines = "; ".join(sorted({machine_of(one) for one in found["machines"]}))
        seeds = ", ".join(map(str, found.get("seeds", found["request"]["seeds"])))
        parts.append(f"`{found['command']}`, seeds {seeds}; {machines}.")
    return "\n\n".join(parts)


def over_systems(systems: Sequence[dict[str, Any]]) -> list[str]:
    """Ranks over the systems of some results of one preset; nothing of a single one."""
    if len(systems) < 2:
        return []
    table = ranks_of([found["numbers"]["comparisons"] for found in systems])
    names = ", ".join(found["target"].removeprefix("methods-") for found in systems)
    return [
        f"### Ranks over systems, preset {systems[0]['request']['preset']}",
        markdown([list(table.heading), *table.lines]),
        f"Systems: {names}. {table.note}",
    ]
