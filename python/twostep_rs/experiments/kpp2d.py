"""KPP fronts in the time-periodic cellular flow, two dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.experiments import kpp
from twostep_rs.systems import KPP

if TYPE_CHECKING:
    from twostep_rs.systems.kpp import Integrator

# Twelve relaxation times at the smallest kappa of training.
GENERATIONS = 128

# One and a half relaxation times at the smallest kappa of training.
SPACING = 16

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


def system(integrator: Integrator, dt: float) -> KPP:
    """The particles, in the flow as it is printed, from a wrapped normal law."""
    return KPP(
        2,
        "cell2d",
        lam=2.0,
        theta=1.0,
        r=1.0,
        dt=dt,
        integrator=integrator,
        generations=GENERATIONS,
        population=kpp.PARTICLES,
        spacing=SPACING,
        prior="gaussian",
    )


EXPERIMENT = kpp.experiment(
    "kpp2d",
    "KPP fronts in a time-periodic cellular flow, two dimensions",
    system,
    # Beyond the range of training a parabola with kappa, or less noise in the clouds, continues
    # better than a line with its logarithm learned from fewer.
    pooled=32,
    head="quadratic",
    metrics=("histogram", "masses"),
    printed=PRINTED,
)
