"""KPP fronts in the time-dependent Kolmogorov flow, three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.experiments import kpp
from twostep_rs.experiments.experiment import Experiment

if TYPE_CHECKING:
    from twostep_rs.config import Config
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.systems import KPP, KPPLaw
    from twostep_rs.systems.keller_segel import Physics

NAME = "kpp3d"

# About ten relaxation times at the smallest kappa of training.
GENERATIONS = 640

# Figure 14 of the two-step paper: MeanFlow (stage I) and its refinement (stage II) at kpp.TEST,
# W2 squared of a projection: on (x1, x3) by its caption, on (x2, x3) by the text.
PRINTED = {
    1: (
        *(0.15910, 0.12570, 0.14420, 0.16460, 0.12500, 0.11750),
        *(0.13420, 0.12610, 0.10490, 0.13250, 0.10990),
    ),
    2: (
        *(0.01598, 0.02298, 0.01927, 0.02803, 0.03655, 0.03141),
        *(0.03403, 0.02526, 0.06062, 0.02815, 0.02098),
    ),
}


def system(physics: Physics) -> KPP:
    """The simulator."""
    return kpp.system(NAME, 3, "kolmogorov3d", GENERATIONS, physics)


def references(physics: Physics) -> KPPLaw:
    """The law that references are drawn from."""
    return kpp.law(system(physics))


def config(preset: Preset) -> Config:
    """The configuration of a preset, see :func:`twostep_rs.experiments.kpp.config`."""
    return kpp.config(NAME, preset, ("planes", "exact", "masses"))


EXPERIMENT = Experiment(
    name=NAME,
    title="KPP fronts in a time-dependent Kolmogorov flow, three dimensions",
    axis="kappa",
    axis_label=r"diffusivity $\kappa$",
    system=system,
    config=config,
    printed={stage: dict(zip(kpp.TEST, values, strict=True)) for stage, values in PRINTED.items()},
    references=references,
    dyadic=True,
)
