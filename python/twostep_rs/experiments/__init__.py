"""The experiments of the papers: one file each, with its configuration and printed numbers."""

from __future__ import annotations

import difflib

from twostep_rs.errors import ConfigError
from twostep_rs.experiments import (
    checkerboard,
    gaussians8,
    imbalanced,
    kpp2d,
    kpp3d,
    ks3d_kolmogorov,
    ks3d_laminar,
    ks4d_laminar,
    oval,
)
from twostep_rs.experiments.experiment import Experiment

__all__ = ["EXPERIMENTS", "Experiment", "get"]

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        ks3d_laminar.EXPERIMENT,
        ks3d_kolmogorov.EXPERIMENT,
        ks4d_laminar.EXPERIMENT,
        ks4d_laminar.LITERAL,
        kpp2d.EXPERIMENT,
        kpp3d.EXPERIMENT,
        gaussians8.EXPERIMENT,
        oval.EXPERIMENT,
        imbalanced.EXPERIMENT,
        checkerboard.EXPERIMENT,
    )
}


def get(name: str) -> Experiment:
    """The experiment of that name.

    Raises:
        ConfigError: there is none; the message names the nearest.
    """
    if name not in EXPERIMENTS:
        near = difflib.get_close_matches(name, EXPERIMENTS, n=1, cutoff=0.4)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise ConfigError(f"experiment: expected one of {list(EXPERIMENTS)}, got {name!r}{hint}")
    return EXPERIMENTS[name]
