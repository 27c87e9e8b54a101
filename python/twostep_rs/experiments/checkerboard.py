"""The checkerboard of flow map matching, in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.config import (
    Config,
    EvaluationConfig,
    SimulationConfig,
    StageOneConfig,
    StageTwoConfig,
)
from twostep_rs.experiments.experiment import Experiment
from twostep_rs.systems import Checkerboard

if TYPE_CHECKING:
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.systems.keller_segel import Physics

NAME = "checkerboard"

# The law does not depend on it.
PARAMETER = 1.0


def system(physics: Physics) -> Checkerboard:
    """The problem; physics play no part."""
    del physics
    return Checkerboard()


def config(preset: Preset) -> Config:
    """The configuration of a preset, whatever the method.

    ``paper``: six layers of 512 and 50 000 steps; batch, rate and features are not printed.
    ``full``: the same with waves of the positions, so that edges need not be made from smooth
    pieces alone. ``quick``: the sizes of two CPU cores.
    """
    quick = preset == "quick"
    return Config(
        experiment=NAME,
        preset=preset,
        simulation=SimulationConfig(
            parameters=(PARAMETER,), particles=100_000 if quick else 1_000_000
        ),
        stage_1=StageOneConfig(
            coupling="independent",
            head="plain",
            jitter=0.0,
            waves=0 if preset == "paper" else 3,
            width=64 if quick else 512,
            depth=4 if quick else 6,
            steps=3_000 if quick else 50_000,
            batch=512 if quick else 1_024,
            learning_rate=2e-3 if quick else 1e-3,
        ),
        stage_2=StageTwoConfig(
            head="plain",
            jitter=0.0,
            width=64 if quick else 128,
            steps=300 if quick else 4_000,
            batch=1_000 if quick else 1_500,
        ),
        evaluation=EvaluationConfig(
            parameters=(PARAMETER,),
            particles=2_000 if quick else 10_000,
            references=4,
            floor_pairs=10,
            metrics=("exact",),
        ),
    )


EXPERIMENT = Experiment(
    name=NAME,
    title="A checkerboard, in the plane",
    axis="parameter",
    axis_label="parameter",
    system=system,
    config=config,
)
