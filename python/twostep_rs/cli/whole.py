"""``twostep run`` and ``twostep simulate``: they begin a run."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from twostep_rs import experiments
from twostep_rs.cli.command import option
from twostep_rs.errors import ConfigError, FileFormatError
from twostep_rs.experiments.experiment import Preset
from twostep_rs.runs import config_file, convergence_file, pipeline, ranks, table
from twostep_rs.runs.convergence_file import read_convergence
from twostep_rs.runs.evaluation_file import read_evaluation
from twostep_rs.runs.progress import choose
from twostep_rs.systems.keller_segel import Physics

if TYPE_CHECKING:
    from twostep_rs.config import Config
    from twostep_rs.experiments import Experiment
    from twostep_rs.runs.directory import RunDirectory
    from twostep_rs.runs.status import Step


@dataclass(frozen=True)
class _Beginning:
    """Options of the commands that begin a run.

    Attributes:
        name: the experiment, for example ks3d-laminar.
        preset: how much work and which method. quick: less training, for two CPU cores; full: the
            defaults; paper: the printed method.
        method: how stage I is trained: meanflow, which with stage II is also called two-step, or
            another method. Network and steps are those of the preset; a method of several phases
            takes the steps in each.
        stages: 2 where Deep Particle follows stage I, 1 where it does not.
        physics: constants and time step of the simulator.
        device: where networks are trained: cpu, cuda, cuda:1 ...
        seed: fixes all randomness.
        threads: of simulations, solvers and networks.
        out: directory of the run.
        config: a TOML file whose values replace those of the preset.
        overrides: change any defaults, for example stage_1.steps=100 stage_2.steps=10.
    """

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="EXPERIMENT")]
    preset: Preset = "full"
    method: Annotated[str | None, option("meanflow", "NAME")] = None
    stages: Annotated[Literal[1, 2] | None, option("2; 1 for methods of many evaluations")] = None
    physics: Annotated[Physics | None, option("that of the preset")] = None
    device: Annotated[str | None, option("cpu", "DEVICE")] = None
    seed: Annotated[int | None, option("0", "INT")] = None
    threads: Annotated[int | None, option("all cores", "INT")] = None
    out: Annotated[Path | None, option("runs/EXPERIMENT-[METHOD-]PRESET-sSEED", "DIRECTORY")] = None
    config: Annotated[Path | None, option("none", "FILE")] = None
    overrides: Annotated[
        tuple[tuple[str, ...], ...],
        tyro.conf.arg(name="set", metavar="KEY=VALUE ..."),
        tyro.conf.UseAppendAction,
    ] = ()

    def _begin(self, only: tuple[Step, ...]) -> tuple[RunDirectory, Experiment]:
        experiment = experiments.get(self.name)
        config = self._configuration(experiment)
        method = "" if config.method == "meanflow" else f"{config.method}-"
        name = f"{config.experiment}-{method}{config.preset}-s{config.seed}"
        out = Path("runs") / name if self.out is None else self.out
        run = pipeline.run(
            experiment,
            config,
            out,
            progress=choose(),
            only=only,
            stage_1_of=self._stage_1_of(),
        )
        return run, experiment

    def _stage_1_of(self) -> Path | None:
        return None

    def _configuration(self, experiment: Experiment) -> Config:
        config = experiment.config(self.preset)
        if self.method is not None:
            config = config.for_method(self.method)
        if self.config is not None:
            config = config_file.loads(_read(self.config), str(self.config), config)
        for name in ("stages", "device", "seed", "threads"):
            if (value := getattr(self, name)) is not None:
                config = dataclasses.replace(config, **{name: value})
        if self.physics is not None:
            simulation = dataclasses.replace(config.simulation, physics=self.physics)
            config = dataclasses.replace(config, simulation=simulation)
        config = config_file.override(config, itertools.chain(*self.overrides))
        if config.experiment != experiment.name:
            raise ConfigError(f"experiment: expected {experiment.name}, got {config.experiment}")
        return config


@dataclass(frozen=True)
class Run(_Beginning):
    """Run a whole experiment: simulate, train all stages, evaluate, plot, report.

    A run that was stopped or killed goes on with the same command line.

    Example: twostep run ks3d-laminar --preset quick --out runs/demo

    Attributes:
        stage_1_of: a run that is the same up to stage I; its clouds and stage I are taken over.
    """

    stage_1_of: Annotated[Path | None, option("none", "DIRECTORY")] = None

    def _stage_1_of(self) -> Path | None:
        return self.stage_1_of

    def run(self) -> None:
        """Run it and print the table."""
        if ranks.follow(experiments.get(self.name)):
            return
        directory, experiment = self._begin(tuple(pipeline.ACTIONS))
        rows, _ = read_evaluation(directory.evaluation)
        print(table.text(rows, directory.config.evaluation, experiment.axis))
        if directory.config.convergence.parameters:
            print()
            print(convergence_file.text(read_convergence(directory.convergence)))
        print(f"\nreport: {directory.report}")


@dataclass(frozen=True)
class Simulate(_Beginning):
    """Begin a run: write its configuration and simulate its training clouds.

    Example: twostep simulate ks3d-laminar --out runs/mine --set simulation.parameters=20,100
    """

    def run(self) -> None:
        """Simulate the clouds and say where they are."""
        directory, _ = self._begin(("simulate",))
        for parameter in directory.config.simulation.parameters:
            print(directory.cloud(parameter))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise FileFormatError(f"{path}: expected a TOML file, got {reason}") from error
