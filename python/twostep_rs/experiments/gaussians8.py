"""Eight Gaussians on a circle, in the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.experiments import planar
from twostep_rs.experiments.experiment import Experiment
from twostep_rs.systems import Gaussians8

if TYPE_CHECKING:
    from twostep_rs.config import Config
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.systems.keller_segel import Physics

NAME = "gaussians8"


def system(physics: Physics) -> Gaussians8:
    """The problem; physics play no part."""
    del physics
    return Gaussians8()


def config(preset: Preset) -> Config:
    """The configuration of a preset."""
    return planar.config(NAME, preset)


EXPERIMENT = Experiment(
    name=NAME,
    title="Eight Gaussians on a circle, in the plane",
    axis="parameter",
    axis_label="parameter",
    system=system,
    config=config,
)
