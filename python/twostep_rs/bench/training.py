"""How fast both stages train, beside eager PyTorch and other solvers."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.bench import rivals
from twostep_rs.bench.eager import EagerMeanFlow
from twostep_rs.bench.record import record
from twostep_rs.bench.timing import seconds
from twostep_rs.config import StageOneConfig
from twostep_rs.errors import ConfigError
from twostep_rs.methods import meanflow
from twostep_rs.threads import get_num_threads
from twostep_rs.training import stage_2
from twostep_rs.training.data import TrainingData
from twostep_rs.training.device import resolve_device
from twostep_rs.training.paired import PairedTraining
from twostep_rs.training.workers import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from twostep_rs.config import Config
    from twostep_rs.systems import System

_REPEATS = 5
_WARM_UP = 8

# Orders of the batches beside that of the configuration, all with its number of steps.
_WAITING = {"pool": 1, "visits": 1, "ahead": 0}
_TEN = {"batch_period": 10, "refresh": 10}
_ORDERS: dict[str, dict[str, Any]] = {
    "none ahead": _WAITING,
    "10 steps a batch, none ahead": _TEN | _WAITING,
    **{f"{k} steps a batch": {"batch_period": k, "refresh": k} for k in (10, 20, 40, 50)},
}


def measure(config: Config, system: System, *, rival_steps: int, compiled: bool) -> dict[str, Any]:
    """Time both stages of ``config`` on its device.

    Args:
        config: of both stages, the first by MeanFlow; its clouds are simulated here.
        system: the simulator.
        rival_steps: steps of stage II with other solvers, whose cost per step is constant.
        compiled: whether to measure what torch.compile brings too.

    Returns:
        The record, with a row for every measurement.

    Raises:
        ConfigError: stage I is by another method.
    """
    first = config.stage_1
    if not isinstance(first, StageOneConfig):
        raise ConfigError(f"method: expected 'meanflow', got {config.method!r}")
    device = resolve_device(config.device)
    data = _data(config, system)
    with one_thread():
        rows = [*_stage_1(data, first, device, compiled=compiled)]
        # Trained, since what the corrector has to do decides how warm couplings are.
        velocity = meanflow.train(data, first, seed=0, device=config.device)
        rows += _stage_2(velocity, data, config, device, rival_steps)
    return record(rows, ["torch", "pot", "torchcfm"])


def _data(config: Config, system: System) -> TrainingData:
    seed = cloud_seed(config.seed, Purpose.TRAINING)
    n = config.simulation.particles
    return TrainingData.from_clouds(
        {value: system.simulate(value, n=n, seed=seed) for value in config.simulation.parameters}
    )


def _stage_1(
    data: TrainingData, config: StageOneConfig, device: torch.device, *, compiled: bool
) -> Iterator[dict[str, Any]]:
    """Milliseconds per step, ours and eager in turns."""
    recipe = meanflow.recipe(data.scaling(), config)
    steps: dict[str, Callable[[], object]] = {}
    first: dict[str, float] = {}
    for name, compiles in (("engine", False), ("engine, compiled", True)):
        if compiles and not compiled:
            continue
        training = PairedTraining(recipe, data, config, 0, device=str(device), compiled=compiles)
        steps[name] = training.advance
    eager = EagerMeanFlow(data, config, device)
    steps["eager, torch.func.jvp"] = eager.step
    count = 200 if device.type == "cuda" else 10
    for name, step in steps.items():
        first[name] = seconds(device, step, _WARM_UP)
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(_REPEATS):
        for name, step in steps.items():
            times[name].append(seconds(device, step, count) / count)
    slowest = median(times["eager, torch.func.jvp"])
    for name, found in times.items():
        yield {
            "case": "stage I step",
            "method": name,
            "batch": config.batch,
            "milliseconds": 1e3 * median(found),
            "spread_milliseconds": 1e3 * (max(found) - min(found)),
            "times_eager": slowest / median(found),
            "seconds_of_first_steps": first[name],
        }


def _stage_2(
    velocity: Any, data: TrainingData, config: Config, device: torch.device, rival_steps: int
) -> Iterator[dict[str, Any]]:
    """Steps per second, and what of the time is not spent on steps.

    ``share_of_couplings`` is the time in which there was nothing to do but to wait for plans:
    what a device still had to do meanwhile is not counted. ``idle_share`` is the time beyond that
    of the steps alone: waiting, new batches, and particles carried through both networks.
    """
    full = config.stage_2

    def training(changes: dict[str, Any], steps: int) -> Any:
        return stage_2._Training(  # noqa: SLF001
            velocity, data, replace(full, **changes, steps=steps), 0, None, device=str(device)
        )

    # The steps alone, between couplings.
    alone = training({"batch_period": 10**6, "refresh": 10**6, "pool": 1, "ahead": 0}, 10**6)
    seconds(device, alone.advance, _WARM_UP)
    count = 200 if device.type == "cuda" else 5
    step = seconds(device, alone.advance, count) / count
    cases: list[tuple[str, dict[str, Any], Any, int]] = [("engine", {}, None, full.steps)]
    cases += [(f"engine, {name}", changes, None, full.steps) for name, changes in _ORDERS.items()]
    for name in ("pot", "torchcfm"):
        try:
            solver = getattr(rivals, name)()
        except ModuleNotFoundError:
            continue
        cases.append((f"couplings by {name}", _WAITING, solver, rival_steps))
    found = []
    for name, changes, solver, steps in cases:
        run = training(changes, max(steps, _WARM_UP))
        if solver is not None:
            run._couplings = rivals.RivalCouplings(solver)  # noqa: SLF001
        spent = seconds(device, run.advance, steps)
        waited = run.metrics().get("seconds_couplings", 0.0)
        found.append(
            {
                "case": "stage II",
                "method": name,
                "problems": len(data.parameters) * (1 + full.debias),
                "points": full.batch,
                "steps": steps,
                "threads": get_num_threads(),
                "steps_a_coupling": changes.get("refresh", full.refresh),
                "seconds": spent,
                "steps_per_second": steps / spent,
                "share_of_couplings": waited / spent,
                "step_alone_milliseconds": 1e3 * step,
                "idle_share": max(0.0, 1.0 - steps * step / spent),
                "coupling_lag": run.metrics()["coupling_lag"],
            }
        )
    for row in found:
        row["speed"] = row["steps_per_second"] / found[-1]["steps_per_second"]
        row["times_the_speed_of"] = found[-1]["method"]
        yield row
