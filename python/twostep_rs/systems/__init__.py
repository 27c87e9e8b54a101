"""Particle systems: one object a system, with its prior, its simulation and its domain."""

from __future__ import annotations

from twostep_rs.systems.cloud import Cloud
from twostep_rs.systems.flows import FLOWS
from twostep_rs.systems.generations import Generations
from twostep_rs.systems.keller_segel import Constants, KellerSegel
from twostep_rs.systems.kpp import KPP
from twostep_rs.systems.kpp_law import KPPLaw, SettledKPP
from twostep_rs.systems.planar import Checkerboard, Gaussians8, Imbalanced, Oval
from twostep_rs.systems.protocol import ConcurrentSystem, Domain, System

__all__ = [
    "FLOWS",
    "KPP",
    "Checkerboard",
    "Cloud",
    "ConcurrentSystem",
    "Constants",
    "Domain",
    "Gaussians8",
    "Generations",
    "Imbalanced",
    "KPPLaw",
    "KellerSegel",
    "Oval",
    "SettledKPP",
    "System",
]
