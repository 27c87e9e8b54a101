"""Six common modes and two rare ones, in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.experiments import planar
from twostep_rs.experiments.experiment import Experiment
from twostep_rs.systems import Imbalanced

if TYPE_CHECKING:
    from twostep_rs.config import Config
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.systems.keller_segel import Physics

NAME = "imbalanced"


def system(physics: Physics) -> Imbalanced:
    """The problem; physics play no part."""
    del physics
    return Imbalanced()


def config(preset: Preset) -> Config:
    """The configuration of a preset."""
    return planar.config(NAME, preset)


EXPERIMENT = Experiment(
    name=NAME,
    title="Six common modes and two rare ones, in the plane",
    axis="parameter",
    axis_label="parameter",
    system=system,
    config=config,
)
