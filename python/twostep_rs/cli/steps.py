"""The commands that go on with a run that exists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from twostep_rs.cli.command import open_run, option
from twostep_rs.errors import RunDirectoryError
from twostep_rs.runs import pipeline, ranks, steps, table
from twostep_rs.runs.evaluation_file import read_evaluation
from twostep_rs.runs.points import write_points
from twostep_rs.runs.progress import choose

if TYPE_CHECKING:
    from twostep_rs.experiments import Experiment
    from twostep_rs.runs.directory import RunDirectory


@dataclass(frozen=True)
class _Continuing:
    """Options of the commands that go on with a run.

    Attributes:
        directory: the run.
    """

    directory: tyro.conf.Positional[Path]


@dataclass(frozen=True)
class Train(_Continuing):
    """Train all stages of a run on its clouds; what is trained already is left alone.

    Example: twostep train runs/mine
    """

    def run(self) -> None:
        """Train what is not trained yet."""
        run, experiment = open_run(self.directory)
        if ranks.follow(experiment):
            return
        pipeline.go_on(run, experiment, choose(), ("stage_1", "stage_2"))
        print(run.weights)


@dataclass(frozen=True)
class Sample:
    """Draw fresh particles from a trained run and write them to a file.

    Example: twostep sample runs/demo --parameter 100 --seed 7 --out cloud.npz

    Attributes:
        directory: the run.
        parameter: parameter of the system.
        out: file to write, .npz (arrays source and target) or .npy (target alone).
        n: number of particles.
        seed: of the source particles.
        stage: 1 for stage I alone, 2 for both.
        evaluations: evaluations of the network of stage I.
        device: where the networks are evaluated.
    """

    directory: tyro.conf.Positional[Path]
    parameter: float
    out: Path
    n: int = 15_000
    seed: int = 0
    stage: Annotated[Literal[1, 2] | None, option("the last that there is")] = None
    evaluations: Annotated[int | None, option("those of the method", "INT")] = None
    device: str = "cpu"

    def run(self) -> None:
        """Draw and write."""
        if self.out.exists():
            raise RunDirectoryError(f"{self.out}: expected a new file, got one that exists")
        run, experiment = open_run(self.directory)
        steps.require_device(self.device)
        from twostep_rs.training.model import load

        system = experiment.system(run.config.simulation.physics)
        model = load(run.path, system=system, device=self.device)
        source = system.prior(self.n, self.seed)
        target = model.transport(
            source,
            self.parameter,
            stage=self.stage,
            evaluations=self.evaluations,
            seed=self.seed,
        )
        write_points(self.out, source, target, self.parameter)
        print(self.out)


@dataclass(frozen=True)
class Evaluate(_Continuing):
    """Measure the weights of a run against fresh references and print the table.

    Example: twostep evaluate runs/mine

    Attributes:
        directory: the run.
        device: where the networks are evaluated.
    """

    device: Annotated[str | None, option("that of the run", "DEVICE")] = None

    def run(self) -> None:
        """Evaluate and print the table."""
        run, experiment = open_run(self.directory)
        if self.device is not None:
            run = replace(run, config=replace(run.config, device=self.device))
        with run.locked():
            steps.evaluate(run, experiment, choose())
        _print_table(run, experiment)


@dataclass(frozen=True)
class Plot(_Continuing):
    """Draw the figures of a run from its files.

    Example: twostep plot runs/mine
    """

    def run(self) -> None:
        """Draw and say where."""
        run, experiment = open_run(self.directory)
        with run.locked():
            steps.plot(run, experiment, choose())
        print(run.figures)


@dataclass(frozen=True)
class Report(_Continuing):
    """Write the report of a run from its files.

    Example: twostep report runs/mine
    """

    def run(self) -> None:
        """Write it and say where."""
        run, experiment = open_run(self.directory)
        with run.locked():
            steps.report(run, experiment, choose())
        print(run.report)


def _print_table(run: RunDirectory, experiment: Experiment) -> None:
    rows, _ = read_evaluation(run.evaluation)
    print(table.text(rows, run.config.evaluation, experiment.axis))
