"""``twostep bench``: measure this machine, beside rivals where they are installed."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Union

from tyro.conf import OmitSubcommandPrefixes, Positional, arg, subcommand

from twostep_rs import experiments
from twostep_rs.config import Config
from twostep_rs.experiments.experiment import Preset
from twostep_rs.runs import config_file
from twostep_rs.runs.files import write_atomically


@dataclass(frozen=True)
class Training:
    """Steps per second of both stages, waiting for couplings, and sampling.

    Example: twostep bench training --device cuda --json training.json

    Attributes:
        name: the experiment whose networks and clouds are used.
        preset: of the experiment.
        device: where to train.
        compiled: measure what torch.compile brings too.
        rival_steps: steps of stage II with the couplings of POT and of torchcfm; a multiple of
            ``stage_2.refresh`` counts as many couplings a step as in ours.
        json: file for the record.
        overrides: change any defaults of the preset.
    """

    name: Annotated[Positional[str], arg(metavar="EXPERIMENT")] = "ks3d-laminar"
    preset: Preset = "full"
    device: str = "cpu"
    compiled: bool = False
    rival_steps: int = 40
    json: Path | None = None
    overrides: Annotated[tuple[str, ...], arg(name="set", metavar="KEY=VALUE ...")] = ()

    def run(self) -> None:
        """Measure, print and write."""
        experiment = experiments.get(self.name)
        config = dataclasses.replace(experiment.config(self.preset), device=self.device)
        config = config_file.override(config, self.overrides)
        from twostep_rs.bench.training import measure

        report(
            measure(
                config,
                experiment.system(config.simulation.physics),
                rival_steps=self.rival_steps,
                compiled=self.compiled,
            ),
            self.json,
        )


@dataclass(frozen=True)
class Sampling:
    """Seconds for many particles through both stages.

    Example: twostep bench sampling --device cuda

    Attributes:
        device: where the networks are evaluated.
        particles: how many.
        json: file for the record.
    """

    device: str = "cpu"
    particles: int = 1_000_000
    json: Path | None = None

    def run(self) -> None:
        """Measure, print and write."""
        from twostep_rs.bench.sampling import measure

        report(measure(Config(device=self.device), particles=self.particles), self.json)


@dataclass(frozen=True)
class Transport:
    """Exact transport beside POT, SciPy, lapx and pylmcf, those of them that are installed.

    Example: twostep bench ot --only near --repeats 3

    Attributes:
        only: measure the problems whose names contain this.
        repeats: rounds of each problem, each with fresh points; medians are printed.
        seed: of all points.
        smoke: tiny problems, to see that it works.
        json: file for the record; rows of other problems that are there already stay.
    """

    only: str = ""
    repeats: int = 5
    seed: int = 1000
    smoke: bool = False
    json: Path | None = None

    def run(self) -> None:
        """Measure, print each row when it is there, and write."""
        from twostep_rs.bench import transport
        from twostep_rs.bench.record import record
        from twostep_rs.bench.transport_rivals import MODULES, installed

        missing = [name for name in MODULES if name not in installed()]
        if missing:
            print(f"not installed, left out: {', '.join(missing)}")
        rows = []
        sizes = transport.TINY if self.smoke else transport.Sizes()
        repeats = 1 if self.smoke else self.repeats
        for row in transport.measure(sizes, repeats=repeats, seed=self.seed, only=self.only):
            rows.append(row)
            print_row(row)
        if self.json is not None:
            write(record(kept(self.json, rows) + rows, list(MODULES)), self.json)


@dataclass(frozen=True)
class Couplings:
    """Seconds in couplings of a training of OT-CFM, beside torchcfm's exact sampler.

    Example: twostep bench couplings --json couplings.json

    Attributes:
        batches: sizes of the batches.
        steps: of each training.
        dim: coordinates of a point.
        json: file for the record.
    """

    batches: tuple[int, ...] = (256, 1024, 4096)
    steps: int = 7
    dim: int = 2
    json: Path | None = None

    def run(self) -> None:
        """Measure, print and write."""
        from twostep_rs.bench.couplings import measure

        report(measure(batches=self.batches, steps=self.steps, dim=self.dim), self.json)


# One line for every target.
TARGETS: Any = Union[  # noqa: UP007 - what the parser takes
    Annotated[Training, subcommand("training")],
    Annotated[Sampling, subcommand("sampling")],
    Annotated[Transport, subcommand("ot")],
    Annotated[Couplings, subcommand("couplings")],
]


@dataclass(frozen=True)
class Bench:
    """Measure this machine, beside rivals where they are installed.

    Example: twostep bench sampling

    Attributes:
        target: what to measure.
    """

    target: OmitSubcommandPrefixes[TARGETS]

    def run(self) -> None:
        """Measure the target."""
        self.target.run()


def kept(file: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of an earlier record in ``file`` about other problems than those of ``rows``."""
    if not file.exists():
        return []
    measured = {row["problem"] for row in rows}
    earlier = json.loads(file.read_text())["rows"]
    return [row for row in earlier if row["problem"] not in measured]


def report(record: dict[str, Any], file: Path | None) -> None:
    """Print the rows of a record, and write all of it where a file is given."""
    for row in record["rows"]:
        print_row(row)
    if file is not None:
        write(record, file)


def print_row(row: dict[str, Any]) -> None:
    """Print a row of a record."""
    print("  ".join(f"{name}={_text(value)}" for name, value in row.items()), flush=True)


def write(record: dict[str, Any], file: Path) -> None:
    """Write a record."""
    write_atomically(file, (json.dumps(record, indent=2) + "\n").encode())


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
