"""What the experiments on planar problems have in common."""

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
    from twostep_rs.experiments.experiment import Preset

# The law does not depend on it.
PARAMETER = 1.0


def config(name: str, preset: Preset) -> Config:
    """The configuration of a preset, whatever the method.

    ``full``: the sizes of a GPU; ``paper`` likewise, which prints none. ``quick``: those of two CPU
    cores.

    Args:
        name: of the experiment.
        preset: which.
    """
    quick = preset == "quick"
    return Config(
        experiment=name,
        preset=preset,
        simulation=SimulationConfig(parameters=(PARAMETER,), particles=20_000 if quick else 50_000),
        stage_1=StageOneConfig(
            head="plain",
            jitter=0.0,
            waves=0,
            width=64 if quick else 128,
            depth=5,
            steps=3_000 if quick else 10_000,
            batch=512 if quick else 2_048,
            learning_rate=3e-3 if quick else 1.5e-3,
        ),
        stage_2=StageTwoConfig(
            head="plain",
            jitter=0.0,
            waves=0,
            width=64 if quick else 128,
            steps=300 if quick else 2_000,
            batch=1_000,
        ),
        evaluation=EvaluationConfig(
            parameters=(PARAMETER,),
            particles=2_000,
            # Samples differ by the masses of their modes, so that single distances scatter.
            references=20,
            floor_pairs=40,
            metrics=("exact",),
        ),
    )
