"""All commands, by their names."""

from __future__ import annotations

from typing import Annotated, Any, Union

from tyro.conf import subcommand

from twostep_rs.cli.about import Cite, Info
from twostep_rs.cli.bench import Bench
from twostep_rs.cli.points import W2
from twostep_rs.cli.reproduce import Reproduce
from twostep_rs.cli.steps import Evaluate, Plot, Report, Sample, Train
from twostep_rs.cli.whole import Run, Simulate

COMMANDS: Any = Union[  # noqa: UP007 - what the parser takes
    Annotated[Run, subcommand("run")],
    Annotated[Simulate, subcommand("simulate")],
    Annotated[Train, subcommand("train")],
    Annotated[Sample, subcommand("sample")],
    Annotated[Evaluate, subcommand("evaluate")],
    Annotated[Plot, subcommand("plot")],
    Annotated[Report, subcommand("report")],
    Annotated[Reproduce, subcommand("reproduce")],
    Annotated[W2, subcommand("w2")],
    Annotated[Bench, subcommand("bench")],
    Annotated[Info, subcommand("info")],
    Annotated[Cite, subcommand("cite")],
]
