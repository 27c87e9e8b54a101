"""What experiments have in common: the printed method, what two cores can do, and presets."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from twostep_rs.config import (
    Config,
    EvaluationConfig,
    SimulationConfig,
    StageOneConfig,
    StageTwoConfig,
)

if TYPE_CHECKING:
    from twostep_rs.config import Metric
    from twostep_rs.experiments.experiment import Preset


# The printed method; what it leaves open is chosen here.
PRINTED_STAGE_1 = StageOneConfig(
    method="meanflow",
    coupling="paired",
    head="plain",
    jitter=0.0,
    waves=0,
    width=64,
    learning_rate=1e-3,
)
PRINTED_STAGE_2 = StageTwoConfig(
    head="plain",
    jitter=0.0,
    inputs="position",
    waves=0,
    width=64,
    steps=2_000,
    source="prior",
    batch=1_500,
    batch_period=50,
    refresh=50,
    pool=1,
    ahead=0,
    debias=False,
)

# What two CPU cores can train while one waits.
QUICK_STAGE_1 = StageOneConfig(
    jitter=0.3, waves=0, width=64, steps=6_000, batch=512, learning_rate=3e-3
)
QUICK_STAGE_2 = StageTwoConfig(
    jitter=0.3,
    waves=0,
    width=64,
    steps=300,
    batch=1_000,
    batch_period=10,
    refresh=10,
    pool=1,
    ahead=0,
    ema=0.99,
)


def config(
    name: str,
    preset: Preset,
    *,
    training: tuple[float, ...],
    test: tuple[float, ...],
    quick: tuple[float, ...],
    metrics: tuple[Metric, ...] = ("histogram", "exact"),
) -> Config:
    """The configuration of a preset of a Keller-Segel system.

    ``full``: the defaults at the printed sizes. ``paper``: the printed method. ``quick``: less
    training and fewer repeats for two CPU cores, but never fewer particles.

    Args:
        name: of the experiment.
        preset: which.
        training: parameters of the training clouds.
        test: parameters of the evaluation.
        quick: those of the evaluation of ``quick``.
        metrics: of the evaluation; ``quick`` takes histograms alone.
    """
    simulation = SimulationConfig(parameters=training)
    evaluation = EvaluationConfig(parameters=test, metrics=metrics)
    if preset == "quick":
        return Config(
            experiment=name,
            preset=preset,
            simulation=simulation,
            stage_1=QUICK_STAGE_1,
            stage_2=QUICK_STAGE_2,
            evaluation=EvaluationConfig(
                parameters=quick,
                references=2,
                floor_pairs=3,
                boxes=("reference",),
                metrics=("histogram",),
            ),
        )
    if preset == "paper":
        return Config(
            experiment=name,
            preset=preset,
            simulation=simulation,
            stage_1=PRINTED_STAGE_1,
            stage_2=dataclasses.replace(PRINTED_STAGE_2, residual_weight=1.0),
            evaluation=evaluation,
        )
    return Config(experiment=name, simulation=simulation, evaluation=evaluation)
