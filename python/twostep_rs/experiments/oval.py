"""An oval to a circle, in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.experiments import planar
from twostep_rs.experiments.experiment import Experiment
from twostep_rs.systems import Oval

if TYPE_CHECKING:
    from twostep_rs.config import Config
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.systems.keller_segel import Physics

NAME = "oval"


def system(physics: Physics) -> Oval:
    """The problem; physics play no part."""
    del physics
    return Oval()


def config(preset: Preset) -> Config:
    """The configuration of a preset."""
    return planar.config(NAME, preset)


EXPERIMENT = Experiment(
    name=NAME,
    title="An oval to a circle, in the plane",
    axis="parameter",
    axis_label="parameter",
    system=system,
    config=config,
)
