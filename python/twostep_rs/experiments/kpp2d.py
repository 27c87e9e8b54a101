"""KPP fronts in the time-periodic cellular flow, two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.experiments import kpp
from twostep_rs.experiments.experiment import Experiment

if TYPE_CHECKING:
    from twostep_rs.config import Config
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.systems import KPP, KPPLaw
    from twostep_rs.systems.keller_segel import Physics

NAME = "kpp2d"

# About nine relaxation times at the smallest kappa of training.
GENERATIONS = 128

# Figure 11 of the two-step paper: MeanFlow (stage I) and its refinement (stage II) at kpp.TEST.
# The text says W2; its size beside the sampling floor shows that it is W2 squared.
PRINTED = {
    1: (
        *(0.04766, 0.04755, 0.05325, 0.05918, 0.06385, 0.07173),
        *(0.08704, 0.07726, 0.10120, 0.11950, 0.11760),
    ),
    2: (
        *(0.01376, 0.01393, 0.01239, 0.01228, 0.01057, 0.01477),
        *(0.02003, 0.01540, 0.02159, 0.01539, 0.04559),
    ),
}


def system(physics: Physics) -> KPP:
    """The simulator, in the flow as it is printed."""
    return kpp.system(NAME, 2, "cell2d", GENERATIONS, physics)


def references(physics: Physics) -> KPPLaw:
    """The law that references are drawn from."""
    return kpp.law(system(physics))


def config(preset: Preset) -> Config:
    """The configuration of a preset, see :func:`twostep_rs.experiments.kpp.config`."""
    return kpp.config(NAME, preset, ("histogram", "masses"))


EXPERIMENT = Experiment(
    name=NAME,
    title="KPP fronts in a time-periodic cellular flow, two dimensions",
    axis="kappa",
    axis_label=r"diffusivity $\kappa$",
    system=system,
    config=config,
    printed={stage: dict(zip(kpp.TEST, values, strict=True)) for stage, values in PRINTED.items()},
    references=references,
    dyadic=True,
)
