"""All targets, by name. A module registers its own by a line here and a sequence ``TARGETS``."""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

from twostep_rs.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twostep_rs.reproduce.target import Target

# Light modules: they import torch and matplotlib when they are called.
MODULES = (
    "twostep_rs.reproduce.targets.laminar",
    "twostep_rs.reproduce.targets.kolmogorov",
    "twostep_rs.reproduce.targets.four_dimensions",
    "twostep_rs.reproduce.targets.table_1",
    "twostep_rs.reproduce.targets.table_3",
    "twostep_rs.reproduce.targets.training_sweeps",
    "twostep_rs.reproduce.targets.rivals",
    "twostep_rs.reproduce.targets.search",
    "twostep_rs.reproduce.targets.methods",
    "twostep_rs.reproduce.targets.jumps",
    "twostep_rs.reproduce.targets.mixture",
    "twostep_rs.reproduce.targets.kpp",
    "twostep_rs.reproduce.targets.flow_maps",
    "twostep_rs.reproduce.targets.w_flow",
    "twostep_rs.reproduce.targets.planar",
)

ALL = "all"


def targets() -> dict[str, Target]:
    """Every registered target, by name.

    Raises:
        ConfigError: two have one name.
    """
    found: dict[str, Target] = {}
    for module in MODULES:
        for target in importlib.import_module(module).TARGETS:
            if target.name in found:
                raise ConfigError(f"targets: expected one of each name, got two {target.name!r}")
            found[target.name] = target
    return found


def names() -> list[str]:
    """Names of all targets."""
    return list(targets())


def get(name: str) -> Target:
    """The target of that name.

    Raises:
        ConfigError: there is none; the message names the nearest.
    """
    known = targets()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ConfigError(f"target: expected one of {[*known, ALL]}, got {name!r}{hint}")
    return known[name]


def choose(wanted: Iterable[str]) -> list[Target]:
    """The targets of some names, each once; ``all`` stands for every one.

    Raises:
        ConfigError: there is none of a name.
    """
    every = [name for word in wanted for name in (names() if word == ALL else [word])]
    return [get(name) for name in dict.fromkeys(every)]
