"""The sections of the page of benchmarks: each reads records and returns Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import benchmark_methods
import summarise_results
import summarise_transport
from benchmark_records import machine_of, read
from result_tables import markdown, table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_ORDER = ("reproduced", "better", "not reproduced", "open")


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        title: of it.
        text: Markdown, from the directory of results.
    """

    title: str
    text: Callable[[Path], str]


def made(record: Mapping[str, Any]) -> str:
    """Command, machine, versions and day of a record of a bench."""
    machine = record.get("environment") or record["hardware"]
    gpu = f", {machine['gpu']}" if machine.get("gpu") else ""
    versions = record.get("versions", {})
    with_ = [
        f"{name} {versions[name]}" for name in versions if name not in ("twostep_rs", "python")
    ]
    parts = [
        f"`{_command(record['command'])}`",
        f"{machine['processor']}, {machine['cores']} cores{gpu}",
        ", ".join(with_),
        record["date"],
    ]
    return "; ".join(filter(None, parts)) + "."


def _command(command: str) -> str:
    """Without where the record was written to."""
    words = command.split()
    if "--json" in words:
        place = words.index("--json")
        del words[place : place + 2]
    return " ".join(words)


def transport(results: Path) -> str:
    """Speed, memory and exactness of single plans."""
    record = read(results / "benches/transport.json")
    speed, memory = summarise_transport.tables(record["rows"])
    exactness = read(results / "benches/transport_exactness.json")
    rows = exactness["rows"]
    gap, violation = (max(row[name] for row in rows) for name in ("gap", "violation"))
    return "\n\n".join(
        [
            "Milliseconds for one plan on one thread, and how many times as long rivals take; what "
            "the problems and starts are, and which rows are of an earlier solver, says "
            "[exact transport](exact-transport.md).",
            speed,
            memory,
            made(record),
            f"{exactness['instances']} random problems of up to {exactness['most_points']} points, "
            f"{len(rows)} families: largest gap {gap:.0e} and violation {violation:.0e} of the "
            f"scale of the costs. {made(exactness)}",
        ]
    )


def four_dimensions(results: Path) -> str:
    """Both distances between whole clouds."""
    record = read(results / "benches/four_dimensions.json")
    names = {"histogram": "histogram, 24 cells an axis", "exact": "exact, all particles"}
    lines = [
        ["distance", "sigma", "threads", "occupied cells", "W2 squared", "s", "peak MB", "MB more"]
    ]
    for row in record["rows"]:
        cells = " and ".join(map(str, row.get("occupied_cells", [])))
        lines.append(
            [
                names[row["metric"]],
                f"{row['sigma']:g}",
                str(row["threads"]),
                cells,
                f"{row['w2_squared']:.5f}",
                f"{row['seconds']:.2f}",
                f"{row['peak_mb']:.0f}",
                f"{row['more_mb']:.0f}",
            ]
        )
    text = (
        "Two independent clouds of 15 000 particles in four dimensions. The matrix of costs of the "
        "grid would have 24^8 entries; occupied cells are few."
    )
    return f"{text}\n\n{markdown(lines)}\n\n{made(record)}"


def couplings(results: Path) -> str:
    """Couplings beside those of torchcfm."""
    record = read(results / "benches/couplings.json")
    lines = [
        ["method", "batch", "dimensions", "coupling, ms", "step, ms", "times less than torchcfm"]
    ]
    lines += [
        [
            row["method"],
            str(row["batch"]),
            str(row["dim"]),
            f"{row['coupling_milliseconds']:.1f}",
            f"{row['step_milliseconds']:.1f}",
            f"{row['times_less']:.1f}",
        ]
        for row in record["rows"]
    ]
    return f"Exact couplings in a training step of OT-CFM.\n\n{markdown(lines)}\n\n{made(record)}"


def entropic(results: Path) -> str:
    """Exact plans beside Sinkhorn's iteration on a GPU."""
    record = read(results / "benches/entropic-couplings-h100.json")
    lines = [["solver", "s", "iterations", "residual", "apart from exact", "variance kept"]]
    for row in record["rows"]:
        exact = row["solver"].startswith("exact")
        lines.append(
            [
                row["solver"],
                f"{row['seconds']:.4f}",
                "" if exact else str(row["iterations"]),
                "" if exact else f"{row['residual']:.4f}",
                f"{row['apart']:.3f}",
                f"{row['contraction']:.3f}",
            ]
        )
    first = record["rows"][0]
    text = (
        f"{first['problems']} problems of {first['batch']} points in three dimensions, from "
        "nothing, as stage II couples a batch. Exact plans on the processor; Sinkhorn on the GPU, "
        "with costs held in memory (as stage II trains) and found anew by a fused kernel, to a "
        "residual of 0.001 or 1000 iterations. Apart is the root mean square distance of an image "
        "from that of the exact plan; the variance across the flow is over that of the targets."
    )
    return f"{text}\n\n{markdown(lines)}\n\n{made(record)}"


def sinkhorn(results: Path) -> str:
    """Updates of potentials on a GPU beside other libraries."""
    record = read(results / "benches/sinkhorn-h200.json")
    lines = [["library", "way", "microseconds an update", "times ours", "error of the potential"]]
    lines += [
        [
            row["who"],
            row["way"],
            f"{row['microseconds']:.0f}",
            f"{row['times_ours']:.1f}",
            f"{row['error']:.0e}",
        ]
        for row in record["rows"]
    ]
    text = (
        "Sinkhorn's iteration between two clouds of 4096 points in three dimensions, both "
        "potentials an update, 100 updates from zero; medians of "
        f"{record['repeats']} rounds in turns, each way beside ours of the same way. Recorded: as "
        "a CUDA graph. Errors are against the same updates in float64."
    )
    return f"{text}\n\n{markdown(lines)}\n\n{made(record)}"


def speed(name: str, text: str) -> Callable[[Path], str]:
    """A section of one or several records whose table stands in ``result_tables``."""

    def section(results: Path) -> str:
        parts = [text]
        for file in sorted((results / "benches").glob(f"{name}-*.json")):
            parts += [table_of(file), made(read(file))]
        return "\n\n".join(parts)

    return section


def kernels(results: Path) -> str:
    """Pair sums and Feynman-Kac particles."""
    pairs = read(results / "benches/pairwise.json")
    sums = [["pair sums, kernel", "10^9 pairs/s", *_rivals(pairs["rows"][0]["speedup_of_float64"])]]
    for row in pairs["rows"]:
        times = (f"{value:.1f}" for value in row["speedup_of_float64"].values())
        sums.append([row["kernel"], f"{row['gpairs_per_second']['float64']:.2f}", *times])
    particles = read(results / "benches/feynman_kac.json")
    beside = [row for row in particles["rows"] if "speedup" in row]
    steps = [["Feynman-Kac particles", "ns a particle and step", *_rivals(beside[0]["speedup"])]]
    for row in beside:
        times = (f"{value:.1f}" for value in row["speedup"].values())
        mine = row["ns_per_particle_step"]["twostep_rs"]
        steps.append([str(row["particles"]), f"{mine:.1f}", *times])
    text = "Ours on one thread in double precision, and how many times as long others take."
    return "\n\n".join([text, markdown(sums), made(pairs), markdown(steps), made(particles)])


def _rivals(speedup: Mapping[str, Any]) -> list[str]:
    return [f"times {name.replace('_', ' ')}" for name in speedup]


def fronts(results: Path) -> str:
    """What bounds the growth rates of KPP fronts."""
    record = read(results / "kpp/resampling.json")
    lines = [["resampling", "particles", "variance of a period", "bias of the growth rate"]]
    for row in record["rows"]:
        bias = f"{row['bias']:+.4f} ± {row['standard_error']:.4f}"
        lines.append(
            [row["scheme"], str(row["particles"]), f"{row['variance_of_a_period']:.2g}", bias]
        )
    return (
        "The printed cellular flow at kappa = 2^-4.5, resampled after each of 256 steps a period, "
        f"against the deterministic solution.\n\n{markdown(lines)}\n\n`{record['command']}`."
    )


def accuracy(results: Path) -> str:
    """Every group of runs: W2 squared over its floor against the parameter."""
    parts = [
        "W2 squared over the sampling floor, histograms in the box of the reference; in brackets "
        "95 % intervals over seeds, or over references of a single one. Commands, days and "
        "conditions stand in [results](../results/README.md)."
    ]
    for file in sorted(results.glob("*/*.json")):
        document = read(file)
        if "runs" not in document:
            continue
        found = [summarise_results.Summary(**row) for row in document["rows"]]
        if not any((one.metric, one.box) == summarise_results.TABLE for one in found):
            continue
        status = read(results / document["runs"][0] / "status.json")["environment"]
        seeds = len(document["runs"])
        parts += [
            f"### {file.relative_to(results).with_suffix('')}",
            summarise_results.table(found),
            f"{seeds} seed{'s' if seeds > 1 else ''}; {machine_of(status)}.",
        ]
    return "\n\n".join(parts)


def verdicts(results: Path) -> str:
    """All claims of the papers that were looked at."""
    lines = [["target", "claim", "verdict", "why"]]
    count = dict.fromkeys(_ORDER, 0)
    made_of = [["target", "seeds", "made by", "on", "days"]]
    for file in sorted((results / "reproduce").glob("*/result.json")):
        found = read(file)
        link = f"[{found['target']}](../results/reproduce/{file.parent.name}/result.md)"
        seeds = ", ".join(map(str, found.get("seeds", found["request"]["seeds"])))
        machines = sorted({machine_of(one) for one in found["machines"]})
        made_of.append(
            [
                link,
                seeds,
                f"`{found['command']}`",
                "; ".join(machines),
                ", ".join(found.get("days", [])),
            ]
        )
        for claim in found["claims"]:
            count[claim["verdict"]] += 1
            lines.append([link, claim["statement"], claim["verdict"], claim["reason"]])
    total = ", ".join(f"{value} {name}" for name, value in count.items())
    return "\n\n".join(
        [
            "Tables and figures of the papers made anew (`twostep reproduce`), with our numbers "
            f"beside the printed ones behind each link. {len(lines) - 1} claims: {total}.",
            markdown(made_of),
            markdown([[cell.replace("|", "\\|") for cell in line] for line in lines]),
        ]
    )


SECTIONS: Sequence[Section] = (
    Section("Exact transport", transport),
    Section("Distances in four dimensions", four_dimensions),
    Section("Couplings of training steps", couplings),
    Section("Exact and entropic couplings of a batch", entropic),
    Section("Sinkhorn's iteration on a GPU", sinkhorn),
    Section(
        "Training",
        speed(
            "training", "Both stages of the laminar Keller-Segel problem, beside what others offer."
        ),
    ),
    Section("Sampling", speed("sampling", "Particles through both stages.")),
    Section("Simulation", kernels),
    Section("Growth rates of KPP fronts", fronts),
    Section("Accuracy", accuracy),
    Section("Methods beside each other", benchmark_methods.section),
    Section("Claims of the papers", verdicts),
)
"""In the order of the page. Another is a function of the directory of results, and a line here."""
