"""The studies by name, and how large they are."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.reproduce.job import Place


def landscape(place: Place, **arguments: Any) -> dict[str, Any]:
    """As :func:`.landscape.study`."""
    return _study("landscape", place, **arguments)


def batches(place: Place, **arguments: Any) -> dict[str, Any]:
    """As :func:`.batches.study`."""
    return _study("batches", place, **arguments)


def guidance(place: Place, **arguments: Any) -> dict[str, Any]:
    """As :func:`.guidance.study`."""
    return _study("guidance", place, **arguments)


def fields(place: Place, **arguments: Any) -> dict[str, Any]:
    """As :func:`.fields.study`."""
    return _study("fields", place, **arguments)


def oval(place: Place, **arguments: Any) -> dict[str, Any]:
    """As :func:`.oval.study`."""
    return _study("oval", place, **arguments)


def _study(name: str, place: Place, **arguments: Any) -> dict[str, Any]:
    # They import torch, which a list of jobs does not need.
    module = importlib.import_module(f"twostep_rs.reproduce.flow_studies.{name}")
    found: dict[str, Any] = module.study(place, **arguments)
    return found


STUDIES: dict[str, Callable[..., dict[str, Any]]] = {
    "landscape": landscape,
    "batches": batches,
    "guidance": guidance,
    "fields": fields,
    "oval": oval,
}

_STRENGTHS = [0.0, 0.5, 1.0, 2.0]

_QUICK: dict[str, dict[str, Any]] = {
    "landscape": {
        "steps": 600,
        "batch": 256,
        "particles": 256,
        "flow_steps": 60,
        "cells": 13,
    },
    "batches": {"steps": 500, "batch": 256, "epsilon": 0.005},
    "guidance": {"particles": 256, "steps": 40, "strengths": _STRENGTHS},
    "fields": {"particles": 512},
    "oval": {"particles": 400, "steps": 60},
}
_FULL: dict[str, dict[str, Any]] = {
    "landscape": {
        "steps": 2_000,
        "batch": 512,
        "particles": 512,
        "flow_steps": 100,
        "cells": 21,
    },
    "batches": {"steps": 2_000, "batch": 256, "epsilon": 0.005},
    "guidance": {"particles": 1_000, "steps": 60, "strengths": _STRENGTHS},
    "fields": {"particles": 2_000},
    "oval": {"particles": 800, "steps": 60},
}


def of(name: str, preset: Preset) -> dict[str, Any]:
    """Sizes of a study under a preset; what is printed has none, and takes those of ``full``."""
    return (_QUICK if preset == "quick" else _FULL)[name]
