"""What the two KPP experiments share."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from twostep_rs.config import (
    Config,
    ConvergenceConfig,
    EvaluationConfig,
    SimulationConfig,
    StageOneConfig,
    StageTwoConfig,
)
from twostep_rs.errors import ConfigError
from twostep_rs.systems import KPP, KPPLaw

if TYPE_CHECKING:
    from twostep_rs.config import Metric
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.systems.keller_segel import Physics

# kappa = 2^-2 ... 2^-3.75 for training, down to 2^-4.5 for the test.
TRAINING = tuple(2.0 ** (-2.0 - 0.25 * k) for k in range(8))
TEST = tuple(2.0 ** (-2.0 - 0.25 * k) for k in range(11))

PARTICLES = 20_000
BINS = 72

# The networks that these experiments were measured with.
_STAGE_1 = StageOneConfig(
    coupling="exact", head="log-affine", jitter=0.3, waves=0, width=64, learning_rate=3e-3
)
_STAGE_2 = StageTwoConfig(
    head="log-affine",
    jitter=0.3,
    waves=0,
    width=64,
    depth=6,
    batch_period=10,
    refresh=10,
    pool=1,
    ahead=0,
)


def system(name: str, dim: int, flow: str, generations: int, physics: Physics) -> KPP:
    """The particles, from a wrapped normal law.

    Raises:
        ConfigError: other physics than those of the paper are asked for.
    """
    if physics != "paper":
        raise ConfigError(f"physics: expected 'paper' for {name}, got {physics!r}")
    return KPP(dim, flow, lam=2.0, theta=1.0, r=1.0, generations=generations, prior="gaussian")


def law(particles: KPP) -> KPPLaw:
    """The law that the particles tend to, which references are drawn from."""
    return KPPLaw(particles)


def config(name: str, preset: Preset, metrics: tuple[Metric, ...]) -> Config:
    """The configuration of a preset.

    ``full``: stage I on optimal pairs, six blocks of correction, heads affine in the logarithm of
    kappa.
    ``paper``: the printed method. ``quick``: less training and fewer repeats for two CPU cores,
    but never fewer particles.
    """
    simulation = SimulationConfig(parameters=TRAINING, particles=PARTICLES)
    evaluation = EvaluationConfig(
        parameters=TEST, particles=PARTICLES, bins=BINS, boxes=("joint",), metrics=metrics
    )
    if preset == "quick":
        return Config(
            experiment=name,
            preset=preset,
            simulation=simulation,
            stage_1=dataclasses.replace(_STAGE_1, steps=4_000, batch=1_024),
            stage_2=dataclasses.replace(_STAGE_2, steps=600, batch=1_000, ema=0.99),
            evaluation=EvaluationConfig(
                parameters=TEST[::2],
                particles=PARTICLES,
                references=2,
                floor_pairs=3,
                bins=BINS,
                boxes=("joint",),
                metrics=metrics[:1],
            ),
            convergence=ConvergenceConfig(parameters=(TEST[4], TEST[10]), generations=32),
        )
    convergence = ConvergenceConfig(parameters=tuple(TEST[k] for k in (0, 4, 7, 9, 10)))
    if preset == "paper":
        return Config(
            experiment=name,
            preset=preset,
            simulation=simulation,
            stage_1=StageOneConfig(
                method="meanflow",
                coupling="independent",
                head="plain",
                jitter=0.0,
                waves=0,
                width=64,
                learning_rate=1e-3,
            ),
            stage_2=StageTwoConfig(
                head="plain",
                jitter=0.0,
                inputs="position",
                waves=0,
                width=64,
                depth=6,
                steps=2_000,
                source="prior",
                batch=1_500,
                batch_period=50,
                refresh=50,
                pool=1,
                ahead=0,
                debias=False,
            ),
            evaluation=evaluation,
            convergence=ConvergenceConfig(
                parameters=convergence.parameters, resampling="multinomial"
            ),
        )
    return Config(
        experiment=name,
        simulation=simulation,
        stage_1=_STAGE_1,
        stage_2=dataclasses.replace(_STAGE_2, steps=4_000),
        evaluation=evaluation,
        convergence=convergence,
    )
