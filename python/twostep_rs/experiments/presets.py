"""What the experiments of Keller-Segel systems have in common: presets at the printed sizes."""

from __future__ import annotations

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


def config(
    name: str,
    preset: Preset,
    *,
    training: tuple[float, ...],
    test: tuple[float, ...],
    quick: tuple[float, ...],
    metrics: tuple[Metric, ...] = ("histogram", "exact"),
) -> Config:
    """The configuration of a preset.

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
            stage_1=StageOneConfig(
                jitter=0.3, waves=0, width=64, steps=6_000, batch=512, learning_rate=3e-3
            ),
            stage_2=StageTwoConfig(
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
            ),
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
            stage_1=StageOneConfig(
                method="meanflow",
                coupling="paired",
                head="plain",
                jitter=0.0,
                waves=0,
                width=64,
                learning_rate=1e-3,
            ),
            stage_2=StageTwoConfig(
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
                residual_weight=1.0,
            ),
            evaluation=evaluation,
        )
    return Config(experiment=name, simulation=simulation, evaluation=evaluation)
