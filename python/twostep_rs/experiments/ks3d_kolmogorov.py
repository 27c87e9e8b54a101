"""Keller-Segel particles in the Kolmogorov flow, three dimensions.

Physics ``paper`` folds the cloud by its long steps, and warns; ``resolved`` follows the flow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.experiments import presets
from twostep_rs.experiments.experiment import Experiment
from twostep_rs.systems import KellerSegel

if TYPE_CHECKING:
    from twostep_rs.config import Config
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.systems.keller_segel import Physics

NAME = "ks3d-kolmogorov"

# 10**linspace(1, 2, 8); the printed range is 10 to 100, with 110 beyond it.
TRAINING = tuple(10.0 * 10.0 ** (k / 7) for k in range(8))
TEST = tuple(10.0 * k for k in range(2, 13))


def system(physics: Physics) -> KellerSegel:
    """The simulator."""
    return KellerSegel(dim=3, flow="kolmogorov", physics=physics)


def config(preset: Preset) -> Config:
    """The configuration of a preset."""
    return presets.config(
        NAME, preset, training=TRAINING, test=TEST, quick=(20.0, 50.0, 90.0, 110.0)
    )


EXPERIMENT = Experiment(
    name=NAME,
    title="Keller-Segel particles in the Kolmogorov flow, three dimensions",
    axis="sigma",
    axis_label=r"flow strength $\sigma$",
    system=system,
    config=config,
)
