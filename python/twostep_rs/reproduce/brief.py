"""What ``quick`` leaves out where it makes every table and figure instead of one run.

The preset of an experiment is made for one run on two CPU cores. All targets together are hundreds
of jobs: here trainings are shorter, and clouds and repetitions fewer. Where methods are compared
there are so many runs that each is a glimpse, and of each family one competes. Figures and verdicts
of ``quick`` show that everything works; what holds is decided by ``full`` and ``paper``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KELLER_SEGEL = (
    "simulation.particles=6000",
    "evaluation.particles=6000",
    "stage_1.steps=800",
    "stage_2.steps=150",
    "stage_2.sinkhorn_iterations=50",
)
_PLANAR = ("stage_1.steps=400",)
_GLIMPSE = (
    "simulation.particles=3000",
    "evaluation.particles=2000",
    "stage_1.steps=300",
    "stage_2.steps=60",
)
_FRONTS = (
    "simulation.particles=10000",
    "evaluation.particles=10000",
    "stage_1.steps=1500",
    "stage_2.steps=300",
    "convergence.seeds=3",
    "convergence.generations=16",
    "convergence.parameters=0.125,0.0625",
)
# In three dimensions simulations run for 640 periods, and the deterministic solutions that
# references are drawn from take minutes each, most where kappa is smallest.
_FEW_FRONTS = (
    *_FRONTS,
    "simulation.parameters=0.25,0.15,0.08",
    "evaluation.parameters=0.25,0.0625",
)

BRIEF: Mapping[str, Sequence[str]] = {
    "ks3d-laminar": _KELLER_SEGEL,
    "ks3d-kolmogorov": _KELLER_SEGEL,
    "ks4d-laminar": _KELLER_SEGEL,
    "checkerboard": _PLANAR,
    "gaussians8": _PLANAR,
    "oval": _PLANAR,
    "imbalanced": _PLANAR,
    "kpp2d": _FRONTS,
    "kpp3d": _FEW_FRONTS,
}
"""Changes of ``quick`` by experiment; ``--set`` has the last word."""

COMPARED: Mapping[str, Sequence[str]] = dict.fromkeys(
    ("ks3d-laminar", "ks3d-kolmogorov", "ks4d-laminar", "kpp2d"), _GLIMPSE
)
"""Further ones where methods are compared."""

FAMILIES = ("meanflow", "imm", "lsd", "drifting", "sf2m", "deep-particle")
"""Methods of the searches and of their comparisons under ``quick``."""
