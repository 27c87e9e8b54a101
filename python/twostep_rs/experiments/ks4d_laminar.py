"""Keller-Segel particles in the laminar flow, four dimensions.

Once with the Green function of four dimensions, and once with the kernel as it is printed, which is
that of three.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from twostep_rs.experiments import presets
from twostep_rs.experiments.experiment import Experiment
from twostep_rs.systems import KellerSegel

if TYPE_CHECKING:
    from twostep_rs.config import Config, Metric
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.systems.keller_segel import Kernel, Physics

# 1.5 * 10**linspace(1, 2, 8), as in three dimensions.
TRAINING = tuple(15.0 * 10.0 ** (k / 7) for k in range(8))
TEST = tuple(20.0 * k for k in range(1, 11))

# The printed evaluation takes subsamples; what they are of is left open.
METRICS: tuple[Metric, ...] = ("histogram", "exact", "subsample_independent", "subsample_paired")


def _system(kernel: Kernel, physics: Physics) -> KellerSegel:
    return KellerSegel(dim=4, flow="laminar", physics=physics, kernel=kernel)


def _config(name: str, preset: Preset) -> Config:
    """As in three dimensions, but with ten steps a batch of stage II in ``full``."""
    config = presets.config(
        name,
        preset,
        training=TRAINING,
        test=TEST,
        quick=(20.0, 60.0, 100.0, 140.0, 200.0),
        metrics=METRICS,
    )
    if preset != "full":
        return config
    # Couplings of a batch are noisier here: where 30 steps follow each, stage II learns the noise.
    stage_2 = dataclasses.replace(config.stage_2, batch_period=10, refresh=10)
    return dataclasses.replace(config, stage_2=stage_2)


EXPERIMENT = Experiment(
    name="ks4d-laminar",
    title="Keller-Segel particles in the laminar flow, four dimensions",
    axis="sigma",
    axis_label=r"flow strength $\sigma$",
    system=functools.partial(_system, "green4d"),
    config=functools.partial(_config, "ks4d-laminar"),
)

LITERAL = dataclasses.replace(
    EXPERIMENT,
    name="ks4d-literal",
    title="Keller-Segel particles in the laminar flow, four dimensions, kernel as printed",
    system=functools.partial(_system, "literal"),
    config=functools.partial(_config, "ks4d-literal"),
)
