"""``twostep reproduce``: tables and figures of the papers, our numbers beside the printed ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from twostep_rs.cli.command import option
from twostep_rs.errors import ConfigError, JobError
from twostep_rs.experiments.experiment import Preset
from twostep_rs.reproduce import Request, Store, engines, registry, reproduce
from twostep_rs.reproduce.result_files import claims_text
from twostep_rs.runs.progress import choose
from twostep_rs.threads import get_num_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.reproduce.reproduction import Outcome

_SEEDS = {"quick": 1, "full": 5, "paper": 5}
_JOBS_ON_A_GPU = 4


@dataclass(frozen=True)
class Reproduce:
    """Make tables and figures of the papers anew, with a verdict on every claim.

    The work is a list of jobs. Jobs that are done are not done again, so that the same command
    line goes on with what was stopped or killed, and targets share what they have in common.

    Example: twostep reproduce table-1 figure-2 --preset quick --out runs/reproduce

    Attributes:
        targets: names, or all.
        listing: list the targets and stop.
        preset: how much work and which method. quick: for two CPU cores, each run shorter than
            by twostep run; full: our defaults; paper: the printed method.
        seeds: number of seeds.
        device: where networks are trained: cpu, cuda, cuda:1 ...
        out: directory of jobs and results.
        jobs: jobs at a time.
        engine: what does jobs: processes of this machine; Ray, on a cluster or here; or Slurm.
            The last two need an extra, and a directory that all machines share.
        engine_options: what an engine is told. ray: address=HOST:PORT, gpus=SHARE of a job;
            slurm: parameters of submitit, for example timeout_min=60 slurm_partition=gpu.
        overrides: change any defaults of every run, for example stage_1.steps=100.
    """

    targets: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="TARGET")] = ()
    listing: Annotated[bool, tyro.conf.arg(name="list"), tyro.conf.FlagCreatePairsOff] = False
    preset: Preset = "quick"
    seeds: Annotated[int | None, option("1 for quick, 5 for others", "INT")] = None
    device: str = "cpu"
    out: Path = Path("runs/reproduce")
    jobs: Annotated[int | None, option("all cores, or 4 on a GPU", "INT")] = None
    engine: engines.Name = "processes"
    engine_options: Annotated[tuple[str, ...], tyro.conf.arg(metavar="KEY=VALUE ...")] = ()
    overrides: Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="KEY=VALUE ...")] = ()

    def run(self) -> None:
        """Do what is left and say what came out."""
        if self.listing:
            print(_listing())
            return
        chosen = registry.choose(self.targets)
        if not chosen:
            raise ConfigError(f"target: expected at least one of {registry.names()}, got none")
        outcomes = reproduce(
            chosen,
            Request(self.preset, tuple(range(self._seeds())), self.device, self.overrides),
            Store(self.out),
            engine=self._engine(),
            progress=choose(),
        )
        print("\n\n".join(_text(outcome) for outcome in outcomes))
        _require_all(outcomes)

    def _seeds(self) -> int:
        seeds = _SEEDS[self.preset] if self.seeds is None else self.seeds
        if seeds < 1:
            raise ConfigError(f"seeds: expected at least 1, got {seeds}")
        return seeds

    def _engine(self) -> engines.Engine:
        jobs = self._jobs()
        return engines.choose(
            self.engine,
            jobs=jobs,
            threads=max(1, get_num_threads() // jobs),
            gpu=self.device != "cpu",
            options=self.engine_options,
        )

    def _jobs(self) -> int:
        if self.jobs is None:
            return get_num_threads() if self.device == "cpu" else _JOBS_ON_A_GPU
        if self.jobs < 1:
            raise ConfigError(f"jobs: expected at least 1, got {self.jobs}")
        return self.jobs


def _listing() -> str:
    known = registry.targets()
    width = max(map(len, known))
    return "\n".join(
        f"{name:<{width}}  {target.title} ({target.source})" for name, target in known.items()
    )


def _text(outcome: Outcome) -> str:
    head = f"{outcome.target.name}: {outcome.target.title}"
    if not outcome.seeds:
        return f"{head}\n  not done"
    count = len(outcome.seeds)
    where = f"  {count} seed{'s' if count > 1 else ''}, {outcome.directory / 'result.md'}"
    return "\n".join(filter(None, [head, claims_text(outcome.claims), where]))


def _require_all(outcomes: Sequence[Outcome]) -> None:
    lost = {f.job.name: f for outcome in outcomes for f in outcome.failures}
    if lost:
        first = next(iter(lost.values()))
        raise JobError(
            f"jobs: expected all to be done, got {len(lost)} that are not; the first is "
            f"{first.job.name}: {first.reason}"
        )
