"""Run one experiment with several seeds: ``run_seeds.py EXPERIMENT OUT [--seeds 5] ...``.

Trainings run side by side, each in a process of its own. References and floor are drawn once, by
the first seed, while they run: seed k is measured against the k-th group of the references, so that
no two seeds share one. What is done already is kept, as with ``twostep run``.
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from twostep_rs import experiments
from twostep_rs.errors import TwoStepError
from twostep_rs.runs import config_file, pipeline, steps
from twostep_rs.runs.directory import RunDirectory
from twostep_rs.runs.evaluation import Yardstick, measure_floor
from twostep_rs.runs.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.config import Config
    from twostep_rs.experiments import Experiment


def main(arguments: Sequence[str]) -> int:
    """Do what the command line says; 1 where a seed failed."""
    options = _parser().parse_args(arguments)
    experiment = experiments.get(options.experiment)
    config = _config(experiment, options)
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    outs = {seed: Path(f"{options.out}-s{seed}") for seed in seeds}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.jobs, spawn) as pool:
        trainings = {
            seed: pool.submit(_train, dataclasses.replace(config, seed=seed), out)
            for seed, out in outs.items()
        }
        started = time.perf_counter()
        yardstick = _yardstick(experiment, config, seeds)
        _say("floor", started)
        failed = 0
        for place, (seed, out) in enumerate(outs.items()):
            try:
                _say(f"seed {seed} trained", trainings[seed].result())
                started = time.perf_counter()
                _evaluate(out, experiment, _group(yardstick, place, config.evaluation.references))
                _say(f"seed {seed} evaluated", started)
            except TwoStepError as error:
                print(f"seed {seed}: {error}", file=sys.stderr, flush=True)
                failed = 1
    return failed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment")
    parser.add_argument("out", help="directories OUT-s0, OUT-s1, ...")
    parser.add_argument("--preset", choices=["quick", "full", "paper"], default="full")
    parser.add_argument("--physics", choices=["paper", "aggregating", "resolved"], default="paper")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side")
    parser.add_argument("--threads", type=int, default=None, help="of each training")
    parser.add_argument("--set", nargs="*", action="extend", default=[], metavar="KEY=VALUE")
    return parser


def _config(experiment: Experiment, options: argparse.Namespace) -> Config:
    config = config_file.override(experiment.config(options.preset), options.set)
    return dataclasses.replace(
        config,
        device=options.device,
        threads=options.threads,
        simulation=dataclasses.replace(config.simulation, physics=options.physics),
    )


def _train(config: Config, out: Path) -> float:
    """Simulate and train; when that began."""
    started = time.perf_counter()
    experiment = experiments.get(config.experiment)
    pipeline.run(experiment, config, out, only=("simulate", "stage_1", "stage_2"))
    return started


def _yardstick(experiment: Experiment, config: Config, seeds: range) -> Yardstick:
    """References enough for all seeds, and the floor between them."""
    evaluation = config.evaluation
    references = max(len(seeds) * evaluation.references, 2 * evaluation.floor_pairs)
    physics = config.simulation.physics
    make = experiment.references or experiment.system
    enough = dataclasses.replace(evaluation, references=references)
    return measure_floor(make(physics), enough, seed=seeds[0])


def _group(yardstick: Yardstick, place: int, size: int) -> Yardstick:
    """The references of one seed."""
    group = slice(place * size, (place + 1) * size)
    return dataclasses.replace(
        yardstick,
        references=[clouds[group] for clouds in yardstick.references],
        sources=[clouds[group] for clouds in yardstick.sources],
    )


def _evaluate(out: Path, experiment: Experiment, yardstick: Yardstick) -> None:
    """Evaluate and plot one run, unless that is done."""
    run = RunDirectory.open(out)
    known: Future[Yardstick] = Future()
    known.set_result(yardstick)
    with run.locked():
        if "evaluate" not in run.status().done:
            steps.evaluate(run, experiment, Silent(), known)
    pipeline.go_on(run, experiment, Silent(), ("plot", "report"))


def _say(what: str, started: float) -> None:
    print(f"{what}: {time.perf_counter() - started:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
