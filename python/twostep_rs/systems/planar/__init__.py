"""Planar problems on which generative models are shown: two laws, and no dynamics between."""

from __future__ import annotations

from twostep_rs.systems.planar.checkerboard import Checkerboard
from twostep_rs.systems.planar.gaussians8 import Gaussians8
from twostep_rs.systems.planar.imbalanced import Imbalanced
from twostep_rs.systems.planar.oval import Oval
from twostep_rs.systems.planar.problem import Mixture, PlanarProblem

__all__ = [
    "PROBLEMS",
    "Checkerboard",
    "Gaussians8",
    "Imbalanced",
    "Mixture",
    "Oval",
    "PlanarProblem",
]

PROBLEMS: dict[str, type[PlanarProblem]] = {
    problem.__name__: problem for problem in (Checkerboard, Gaussians8, Oval, Imbalanced)
}
"""By the name of the class."""
