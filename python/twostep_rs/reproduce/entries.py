"""The entries of the benchmark: methods with their options, and the runs that train them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from twostep_rs import experiments
from twostep_rs.reproduce.brief import FAMILIES
from twostep_rs.reproduce.job import RunJob

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.config import Config, Coupling, EvaluationConfig
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.reproduce.target import Request
    from twostep_rs.runs.status import Step
    from twostep_rs.systems.keller_segel import Physics

_STEPS: tuple[Step, ...] = ("simulate", "stage_1", "stage_2", "evaluate")


@dataclass(frozen=True)
class Entry:
    """A method as it competes.

    Attributes:
        name: short, for files.
        title: for tables.
        method: as on the command line.
        changes: of its own options; network is that of the preset, and so are steps where they are
            not among them.
        stages: 2 where Deep Particle follows; by default where the method takes one evaluation.
        phases: networks that the method trains one after the other by as many steps each; they
            share the steps of the preset.
    """

    name: str
    title: str
    method: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    stages: Literal[1, 2] | None = None
    phases: int = 1

    @property
    def alone(self) -> bool:
        """Whether its stage I is a competitor by itself."""
        return self.method != "deep-particle"


ENTRIES = (
    Entry("meanflow", "MeanFlow", "meanflow"),
    Entry("imm", "IMM", "imm"),
    Entry("imm-forced", "IMM, forced r = s", "imm", {"middle": "uniform", "grounded": 0.25}),
    Entry("lsd", "Lagrangian self-distillation", "lsd"),
    Entry("shortcut", "Shortcut", "shortcut"),
    Entry("rectified-flow", "Rectified flow, 1 step", "rectified-flow"),
    Entry("w-flow", "W-Flow", "w-flow"),
    Entry("drifting", "Drifting", "drifting"),
    Entry("deep-particle", "Deep Particle alone", "deep-particle"),
    Entry("flow-matching", "Flow matching, 100 steps", "flow-matching"),
    Entry("ot-cfm", "OT-CFM, 100 steps", "flow-matching", {"coupling": "exact"}),
    Entry("sf2m", "SF2M, 100 steps", "sf2m"),
    Entry("sf2m-ot", "SF2M, optimal pairs", "sf2m", {"coupling": "exact"}),
    Entry("sf2m-sde", "SF2M, diffusion", "sf2m", {"sampler": "sde"}),
)
"""What competes in table 2 under our defaults."""

SEARCHED = (
    *(entry for entry in ENTRIES if not entry.changes),
    Entry("esd", "Eulerian self-distillation", "esd"),
    Entry("psd", "Progressive self-distillation", "psd"),
    Entry("lmd", "Lagrangian map distillation", "lmd", phases=2),
    Entry("eulerian", "Eulerian map distillation", "eulerian", phases=2),
    Entry("fmm", "Flow map matching", "fmm"),
    Entry("pfmm", "Progressive flow map matching", "pfmm", phases=2),
)
"""Methods whose options are searched: one entry each, whose variants are in its grid."""

# Options that the two-step paper prints, or what its text says of them. It leaves the size of a
# group open; 16 is what records of its table 2 were made with.
_PRINTED_IMM = {"depth": 4, "group": 16}
_PRINTED_SF2M = {"noise": 0.4, "score_error": "printed"}
PRINTED = (
    Entry("meanflow", "MeanFlow", "meanflow"),
    Entry("imm", "IMM", "imm", _PRINTED_IMM),
    Entry(
        "imm-forced",
        "IMM, forced r = s",
        "imm",
        {**_PRINTED_IMM, "middle": "uniform", "grounded": 0.25},
    ),
    Entry("sf2m", "SF2M-OT", "sf2m", _PRINTED_SF2M),
    Entry("sf2m-sphere", "SF2M-OT, sphere", "sf2m", {**_PRINTED_SF2M, "start": "sphere"}),
    Entry("deep-particle", "Deep Particle alone", "deep-particle"),
)
"""The methods of table 2 as they are printed."""


def entries(preset: Preset) -> tuple[Entry, ...]:
    """What competes under a preset."""
    return PRINTED if preset == "paper" else ENTRIES


def competing(among: Sequence[Entry], preset: Preset) -> list[Entry]:
    """Those whose options are searched under a preset."""
    return [entry for entry in among if preset != "quick" or entry.name in FAMILIES]


def entry_run(
    entry: Entry,
    experiment: str,
    request: Request,
    seed: int,
    *,
    physics: Physics | None = None,
    coupling: Coupling | None = None,
) -> RunJob:
    """The run of an entry: data, network, budget and seed are those of every other.

    Args:
        entry: the method.
        experiment: name of the problem.
        request: preset, device, and changes of what all methods have in common.
        seed: of the run.
        physics: constants and time step; those of the preset by default.
        coupling: of the pairs; that of the preset by default, unless the entry has its own.
    """
    config = configured(common(experiment, request, seed, physics), entry, coupling)
    pairs = coupling if hasattr(config.stage_1, "coupling") else None
    variant = "".join(f"-{word}" for word in (physics, pairs) if word is not None)
    name = f"{experiment}/{request.preset}{variant}-{entry.name}-s{seed}"
    return RunJob(name, config, only=_STEPS)


def common(experiment: str, request: Request, seed: int, physics: Physics | None) -> Config:
    """What the runs of all entries have in common; the arguments are those of `entry_run`."""
    preset = experiments.get(experiment).config(request.preset)
    config = request.configured(preset, seed, compared=True)
    simulation = config.simulation
    if physics is not None:
        simulation = dataclasses.replace(simulation, physics=physics)
    return dataclasses.replace(config, simulation=simulation, evaluation=_evaluation(config))


def configured(config: Config, entry: Entry, coupling: Coupling | None = None) -> Config:
    """A configuration with stage I by an entry."""
    config = config.for_method(entry.method)
    changes = dict(entry.changes)
    if coupling is not None and hasattr(config.stage_1, "coupling"):
        changes.setdefault("coupling", coupling)
    changes.setdefault("steps", config.stage_1.steps // entry.phases)
    return dataclasses.replace(
        config,
        stages=config.stages if entry.stages is None else entry.stages,
        stage_1=dataclasses.replace(config.stage_1, **changes),
    )


def _evaluation(config: Config) -> EvaluationConfig:
    """The first metric of the experiment alone; under ``paper`` in the box of the printed one."""
    found = config.evaluation
    box: Literal["joint", "reference"] = "joint" if config.preset == "paper" else found.boxes[0]
    return dataclasses.replace(found, metrics=found.metrics[:1], boxes=(box,))
