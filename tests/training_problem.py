"""Problems of training that are small and have a known answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twostep_rs.config import Config, SimulationConfig, StageOneConfig, StageTwoConfig
from twostep_rs.systems import Cloud, Domain

STAGE_1 = StageOneConfig(width=16, depth=2, steps=30, batch=64)
STAGE_2 = StageTwoConfig(
    width=16, depth=2, steps=12, batch=40, batch_period=6, refresh=3, pool=1, ahead=0
)
CONFIG = Config(simulation=SimulationConfig(particles=200), stage_1=STAGE_1, stage_2=STAGE_2)


class Shift:
    """Standard normal particles that move by ``parameter`` along the first axis."""

    dim = 2
    domain = Domain()

    def prior(self, n, seed):
        return np.random.default_rng(seed).normal(size=(n, 2))

    def simulate(self, parameter, /, n, seed, source=None):
        source = self.prior(n, seed) if source is None else source
        return Cloud(source, source + parameter * np.array([1.0, 0.0]), paired=True)


def clouds(n=200, parameters=(1.0, 2.0, 4.0)):
    return {parameter: Shift().simulate(parameter, n=n, seed=7) for parameter in parameters}


def unpaired(data):
    return {p: Cloud(c.source, c.target[::-1].copy(), paired=False) for p, c in data.items()}


def with_stages(*, stage_1=None, stage_2=None, **changes):
    return replace(
        CONFIG,
        stage_1=replace(STAGE_1, **(stage_1 or {})),
        stage_2=replace(STAGE_2, **(stage_2 or {})),
        **changes,
    )
