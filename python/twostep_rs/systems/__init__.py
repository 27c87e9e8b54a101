"""Particle systems: one object a system, with its prior, its simulation and its domain."""

from __future__ import annotations

from twostep_rs.systems.cloud import Cloud
from twostep_rs.systems.keller_segel import Constants, KellerSegel
from twostep_rs.systems.protocol import Domain, System

__all__ = ["Cloud", "Constants", "Domain", "KellerSegel", "System"]
