"""Stage II by several orders of its batches, on parameters that are in no table.

``held_out.py FILE [--seed 0] [--coupling independent] [--stage-1-steps 20000] ...`` trains stage I
of ``ks3d-laminar`` once and stage II on it by every order, and measures all at flow strengths
between and beyond those of training. FILE gets one line of JSON for every row of the evaluations;
orders whose rows are there already are left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from twostep_rs import experiments
from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.config import EvaluationConfig
from twostep_rs.methods import meanflow
from twostep_rs.runs import config_file
from twostep_rs.runs.evaluation import evaluate, measure_floor
from twostep_rs.threads import set_num_threads
from twostep_rs.training import stage_2
from twostep_rs.training.data import TrainingData
from twostep_rs.training.model import TwoStepModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.config import Config

_HELD_OUT = (25.0, 70.0, 110.0, 145.0, 170.0)
# Evaluations of runs have seeds below.
_FIRST_SEED = 1000


def _order(steps: int, period: int, ahead: int) -> dict[str, Any]:
    batches: dict[str, Any] = {"pool": 50} if ahead else {"pool": 1}
    return {"steps": steps, "batch_period": period, "refresh": period, "ahead": ahead, **batches}


ORDERS = {
    f"{steps} steps, {period} each, {ahead or 'none'} ahead": _order(steps, period, ahead)
    for steps, period, ahead in (
        (2000, 10, 0),
        (3000, 30, 3),
        (2000, 20, 2),
        (3000, 40, 3),
        (3000, 50, 3),
        (3000, 30, 0),
    )
}


def main(arguments: Sequence[str]) -> None:
    """Do what the command line says."""
    options = _parser().parse_args(arguments)
    set_num_threads(options.threads)
    experiment = experiments.get("ks3d-laminar")
    config = config_file.override(experiment.config("full"), options.set)
    first = {"coupling": options.coupling, "steps": options.stage_1_steps}
    config = dataclasses.replace(
        config, stage_1=dataclasses.replace(config.stage_1, **first), device=options.device
    )
    file = Path(options.file)
    key = {
        "seed": options.seed,
        "coupling": options.coupling,
        "stage_1_steps": options.stage_1_steps,
    }
    orders = {
        name: ORDERS[name] for name in options.orders or ORDERS if name not in _done(file, key)
    }
    if orders:
        _compare(config, orders, file, key)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--coupling", choices=["independent", "paired"], default="independent")
    parser.add_argument("--stage-1-steps", type=int, default=20_000)
    parser.add_argument("--orders", nargs="*", choices=ORDERS, metavar="ORDER")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--set", nargs="*", action="extend", default=[], metavar="KEY=VALUE")
    return parser


def _done(file: Path, key: dict[str, Any]) -> set[str]:
    """Orders that the file has for a key."""
    if not file.exists():
        return set()
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {row["order"] for row in rows if key.items() <= row.items()}


def _compare(
    config: Config, orders: dict[str, dict[str, Any]], file: Path, key: dict[str, Any]
) -> None:
    seed = key["seed"]
    system = experiments.get(config.experiment).system(config.simulation.physics)
    held_out = EvaluationConfig(
        parameters=_HELD_OUT,
        references=4,
        floor_pairs=6,
        particles=config.simulation.particles,
        boxes=("reference",),
    )
    clouds = cloud_seed(seed, Purpose.TRAINING)
    data = TrainingData.from_clouds(
        {
            value: system.simulate(value, n=config.simulation.particles, seed=clouds)
            for value in config.simulation.parameters
        }
    )
    started = time.perf_counter()
    first = meanflow.train(data, config.stage_1, seed=seed, device=config.device)
    print(f"{key}: stage I {time.perf_counter() - started:.1f} s", flush=True)
    yardstick = measure_floor(system, held_out, seed=_FIRST_SEED + seed)
    stages: tuple[Literal[1, 2], ...] = (1, 2)
    for name, changes in orders.items():
        log: list[dict[str, float]] = []
        started = time.perf_counter()
        second = stage_2.train(
            first,
            data,
            dataclasses.replace(config.stage_2, **changes),
            seed=seed,
            device=config.device,
            log=log.append,
        )
        seconds = time.perf_counter() - started
        model = TwoStepModel(first, second, system, config)
        found = evaluate(
            {stage: functools.partial(model.transport, stage=stage) for stage in stages},
            system,
            held_out,
            training_parameters=config.simulation.parameters,
            seed=_FIRST_SEED + seed,
            yardstick=yardstick,
        )
        cost = {"seconds": seconds, "seconds_couplings": log[-1]["seconds_couplings"]}
        rows = [{**dataclasses.asdict(row), **key, "order": name, **cost} for row in found.rows]
        with file.open("a", encoding="utf-8") as lines:
            lines.write("".join(json.dumps(row) + "\n" for row in rows))
        ratios = [row for row in found.rows if row.metric == "histogram"]
        print(
            f"{key} {name}: {seconds:.1f} s;",
            " ".join(f"{row.parameter:g}/{row.stage}: {row.ratio:.2f}" for row in ratios),
            flush=True,
        )
        stages = (2,)  # stage I is the same for all


if __name__ == "__main__":
    main(sys.argv[1:])
