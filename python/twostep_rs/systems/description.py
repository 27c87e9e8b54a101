"""Systems as plain data, for files."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from twostep_rs.systems.keller_segel import KellerSegel

if TYPE_CHECKING:
    from twostep_rs.systems.protocol import System


def describe(system: System) -> dict[str, Any] | None:
    """What :func:`restore` needs to make ``system`` again; None for a system of the user."""
    if not isinstance(system, KellerSegel):
        return None
    return {
        "name": "KellerSegel",
        "dim": system.dim,
        "flow": system.flow,
        "physics": system.physics,
        "constants": asdict(system.constants),
    }


def restore(description: dict[str, Any] | None) -> System | None:
    """The system of a description.

    Raises:
        ValueError: the description names no system, or a value of it makes no sense.
    """
    if description is None:
        return None
    if description["name"] != "KellerSegel":
        raise ValueError(f"name {description['name']!r}")
    return KellerSegel(
        description["dim"], description["flow"], description["physics"], **description["constants"]
    )
