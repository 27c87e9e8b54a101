"""Keller-Segel particles in the laminar flow, three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.experiments import presets
from twostep_rs.experiments.experiment import Experiment
from twostep_rs.systems import KellerSegel

if TYPE_CHECKING:
    from twostep_rs.config import Config
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.systems.keller_segel import Physics

NAME = "ks3d-laminar"

# 1.5 * 10**linspace(1, 2, 8)
TRAINING = tuple(15.0 * 10.0 ** (k / 7) for k in range(8))
TEST = tuple(20.0 * k for k in range(1, 11))

# Table 2 of the two-step paper: MeanFlow (stage I) and its refinement (stage II) at TEST. The
# column says W2; its size beside the sampling floor shows that it is W2 squared.
PRINTED = {
    1: (0.0084, 0.0068, 0.007, 0.0105, 0.0132, 0.0201, 0.0216, 0.0403, 0.0832, 0.197),
    2: (0.0047, 0.0046, 0.0049, 0.0056, 0.0059, 0.0065, 0.0073, 0.0082, 0.014, 0.0214),
}


def system(physics: Physics) -> KellerSegel:
    """The simulator."""
    return KellerSegel(dim=3, flow="laminar", physics=physics)


def config(preset: Preset) -> Config:
    """The configuration of a preset."""
    return presets.config(
        NAME, preset, training=TRAINING, test=TEST, quick=(20.0, 60.0, 100.0, 140.0, 200.0)
    )


EXPERIMENT = Experiment(
    name=NAME,
    title="Keller-Segel particles in a laminar flow, three dimensions",
    axis="sigma",
    axis_label=r"flow strength $\sigma$",
    system=system,
    config=config,
    printed={stage: dict(zip(TEST, values, strict=True)) for stage, values in PRINTED.items()},
)
