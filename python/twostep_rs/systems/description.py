"""Systems as plain data, for files."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from twostep_rs.systems.keller_segel import KellerSegel
from twostep_rs.systems.kpp import KPP
from twostep_rs.systems.planar import PROBLEMS

if TYPE_CHECKING:
    from twostep_rs.systems.protocol import System


def describe(system: System) -> dict[str, Any] | None:
    """What :func:`restore` needs to make ``system`` again; None for a system of the user."""
    if isinstance(system, KellerSegel):
        return {
            "name": "KellerSegel",
            "dim": system.dim,
            "flow": system.flow,
            "physics": system.physics,
            "constants": asdict(system.constants),
        }
    if isinstance(system, KPP):
        fields = asdict(system)
        return {"name": "KPP", "prior": fields.pop("prior_law"), **fields}
    if type(system) in PROBLEMS.values():
        return {"name": type(system).__name__}
    return None


def restore(description: dict[str, Any] | None) -> System | None:
    """The system of a description.

    Raises:
        ValueError: the description names no system, or a value of it makes no sense.
    """
    if description is None:
        return None
    match description["name"]:
        case "KellerSegel":
            return KellerSegel(
                description["dim"],
                description["flow"],
                description["physics"],
                **description["constants"],
            )
        case "KPP":
            return KPP(**{key: value for key, value in description.items() if key != "name"})
        case name if name in PROBLEMS:
            return PROBLEMS[name]()
        case name:
            raise ValueError(f"name {name!r}")
