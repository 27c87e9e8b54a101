"""Keller-Segel particles in the laminar flow, four dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.experiments import presets
from twostep_rs.experiments.experiment import Experiment
from twostep_rs.systems import KellerSegel

if TYPE_CHECKING:
    from twostep_rs.config import Config
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.systems.keller_segel import Physics

NAME = "ks4d-laminar"

# 1.5 * 10**linspace(1, 2, 8), as in three dimensions.
TRAINING = tuple(15.0 * 10.0 ** (k / 7) for k in range(8))
TEST = tuple(20.0 * k for k in range(1, 11))


def system(physics: Physics) -> KellerSegel:
    """The simulator."""
    return KellerSegel(dim=4, flow="laminar", physics=physics)


def config(preset: Preset) -> Config:
    """The configuration of a preset."""
    return presets.config(
        NAME, preset, training=TRAINING, test=TEST, quick=(20.0, 60.0, 100.0, 140.0, 200.0)
    )


EXPERIMENT = Experiment(
    name=NAME,
    title="Keller-Segel particles in a laminar flow, four dimensions",
    axis="sigma",
    axis_label=r"flow strength $\sigma$",
    system=system,
    config=config,
)
