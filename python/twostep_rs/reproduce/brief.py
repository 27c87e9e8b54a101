"""What ``quick`` leaves out where it makes every table and figure instead of one run.

The preset of an experiment is made for one run on two CPU cores. All targets together are some
seventy jobs, which are to end within 40 minutes there: trainings are half as long, and clouds and
repetitions fewer. Figures and verdicts of ``quick`` show that everything works; what holds is
decided by ``full`` and ``paper``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_KELLER_SEGEL = ("stage_1.steps=3000", "stage_2.sinkhorn_iterations=300")
_PLANAR = ("stage_1.steps=1500",)
_FRONTS = ("simulation.particles=10000", "stage_1.steps=2000", "convergence.seeds=5")

BRIEF: Mapping[str, Sequence[str]] = {
    "ks3d-laminar": _KELLER_SEGEL,
    "ks3d-kolmogorov": _KELLER_SEGEL,
    "ks4d-laminar": _KELLER_SEGEL,
    "gaussians8": _PLANAR,
    "oval": _PLANAR,
    "imbalanced": _PLANAR,
    "kpp2d": _FRONTS,
    "kpp3d": _FRONTS,
}
"""Changes of ``quick`` by experiment; ``--set`` has the last word."""
