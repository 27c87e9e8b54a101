"""What the two KPP experiments share."""

from __future__ import annotations

import dataclasses
import functools
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
from twostep_rs.experiments import presets
from twostep_rs.experiments.experiment import Experiment
from twostep_rs.systems import KPP, KPPLaw, SettledKPP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twostep_rs.config import Head, Metric
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.systems.keller_segel import Physics
    from twostep_rs.systems.kpp import Integrator

    # Particles by their integrator and its time step.
    SystemOf = Callable[[Integrator, float], KPP]

# kappa = 2^-2 ... 2^-3.75 for training, down to 2^-4.5 for the test.
TRAINING = tuple(2.0 ** (-2.0 - 0.25 * k) for k in range(8))
TEST = tuple(2.0 ** (-2.0 - 0.25 * k) for k in range(11))

PARTICLES = 20_000
BINS = 72

# Integrator and time step by physics. The law of the printed steps is off by their error times the
# relaxation time: in three dimensions by more than independent particles show. That of the others
# is not, and they take a quarter of the evaluations.
_STEPS: Mapping[str, tuple[Integrator, float]] = {
    "paper": ("euler", 2.0**-8),
    "resolved": ("heun", 2.0**-5),
}

# Waves have large derivatives, and what MeanFlow learns contains its own: rows of large error bring
# forth larger ones. With this weight they count less; without it a training in 3D diverged.
_STAGE_1 = StageOneConfig(
    coupling="exact", head="log-affine", jitter=0.15, weighting_power=1.0, weighting_offset=1.0
)
# What stage I leaves depends on where on the torus particles come out, more than on where they came
# from, and no output is out of the range of training there.
# Particles have no source of their own, so that fresh ones are worth more than those of the clouds.
# The order of batches is the one that these experiments were measured with. Where a law is nearly
# even along an axis, partners may change places there at no cost: the noise of couplings moves the
# correction further and further that way unless its price is felt.
_STAGE_2 = StageTwoConfig(
    head="log-affine",
    jitter=0.15,
    inputs="position",
    source="prior",
    residual_weight=0.1,
    depth=6,
    steps=8_000,
    batch_period=20,
    refresh=20,
    ahead=2,
)


def experiment(
    name: str,
    title: str,
    system: SystemOf,
    *,
    pooled: int,
    head: Head,
    metrics: tuple[Metric, ...],
    printed: Mapping[int, tuple[float, ...]],
) -> Experiment:
    """An experiment of fronts.

    Args:
        name: as on the command line.
        title: as above a report.
        system: makes the particles that move by an integrator with a time step.
        pooled: generations of a training cloud. One alone lies farther from its law than
            as many independent particles do, in the plane 1.4 times, and what it is taught a
            network repeats.
        head: of both stages under ``full``; ``quick``, which sees one generation, keeps to
            ``log-affine``.
        metrics: of the evaluation; ``quick`` takes the first.
        printed: published W2 squared at :data:`TEST`, by stage.
    """

    def of(physics: Physics) -> KPP:
        if physics not in _STEPS:
            expected = f"one of {list(_STEPS)} for {name}"
            raise ConfigError(f"physics: expected {expected}, got {physics!r}")
        return system(*_STEPS[physics])

    return Experiment(
        name=name,
        title=title,
        axis="kappa",
        axis_label=r"diffusivity $\kappa$",
        system=of,
        config=functools.partial(_config, name, pooled, head, metrics),
        printed={stage: dict(zip(TEST, row, strict=True)) for stage, row in printed.items()},
        references=lambda physics: KPPLaw(of(physics)),
        particles=lambda physics: SettledKPP(of(physics)),
        dyadic=True,
    )


def _config(
    name: str, pooled: int, head: Head, metrics: tuple[Metric, ...], preset: Preset
) -> Config:
    """The configuration of a preset.

    ``full``: stage I on optimal pairs of several generations, six blocks of correction.
    ``paper``: the printed method on clouds of the printed steps. ``quick``: one generation, less
    training and fewer repeats for two CPU cores, but never fewer particles.
    """
    full = Config(
        experiment=name,
        simulation=SimulationConfig(
            physics="resolved", parameters=TRAINING, particles=pooled * PARTICLES
        ),
        stage_1=dataclasses.replace(_STAGE_1, head=head),
        stage_2=dataclasses.replace(_STAGE_2, head=head),
        evaluation=EvaluationConfig(
            parameters=TEST, particles=PARTICLES, bins=BINS, boxes=("joint",), metrics=metrics
        ),
        convergence=ConvergenceConfig(
            parameters=tuple(TEST[k] for k in (0, 4, 7, 10)), generations=64
        ),
    )
    one = dataclasses.replace(full.simulation, particles=PARTICLES)
    if preset == "paper":
        return dataclasses.replace(
            full,
            preset=preset,
            simulation=dataclasses.replace(one, physics="paper"),
            stage_1=dataclasses.replace(presets.PRINTED_STAGE_1, coupling="independent"),
            stage_2=dataclasses.replace(presets.PRINTED_STAGE_2, depth=6),
            convergence=dataclasses.replace(full.convergence, resampling="multinomial"),
        )
    if preset == "quick":
        return dataclasses.replace(
            full,
            preset=preset,
            simulation=one,
            stage_1=dataclasses.replace(
                presets.QUICK_STAGE_1,
                coupling="exact",
                head=_STAGE_1.head,
                jitter=_STAGE_1.jitter,
                weighting_power=_STAGE_1.weighting_power,
                weighting_offset=_STAGE_1.weighting_offset,
                steps=4_000,
                batch=1_024,
            ),
            stage_2=dataclasses.replace(
                presets.QUICK_STAGE_2,
                head=_STAGE_2.head,
                jitter=_STAGE_2.jitter,
                inputs=_STAGE_2.inputs,
                source=_STAGE_2.source,
                residual_weight=_STAGE_2.residual_weight,
                depth=_STAGE_2.depth,
                steps=600,
            ),
            evaluation=dataclasses.replace(
                full.evaluation,
                parameters=TEST[::2],
                references=2,
                floor_pairs=3,
                metrics=metrics[:1],
            ),
            convergence=ConvergenceConfig(parameters=(TEST[4], TEST[10]), generations=32),
        )
    return full
