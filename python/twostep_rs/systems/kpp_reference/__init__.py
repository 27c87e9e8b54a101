"""A deterministic solution of the KPP eigenvalue problem, to hold particles against.

A Fourier-Galerkin method in space: the flow is a trigonometric polynomial, so that modes couple
with few others and products are exact. A Runge-Kutta method with an integrating factor carries
them over one period, and an Arnoldi iteration finds the leading multipliers of that map.
"""

from __future__ import annotations

from twostep_rs.systems.kpp_reference.density import TorusDensity
from twostep_rs.systems.kpp_reference.problem import Problem
from twostep_rs.systems.kpp_reference.reference import Reference
from twostep_rs.systems.kpp_reference.solve import Resolution, law, solve, suitable
from twostep_rs.systems.kpp_reference.speed import FrontSpeed, minimise

__all__ = [
    "FrontSpeed",
    "Problem",
    "Reference",
    "Resolution",
    "TorusDensity",
    "law",
    "minimise",
    "solve",
    "suitable",
]
