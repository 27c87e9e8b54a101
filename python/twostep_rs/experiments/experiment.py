"""What an experiment is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from twostep_rs.config import Config
    from twostep_rs.systems import System
    from twostep_rs.systems.keller_segel import Physics

Preset = Literal["quick", "full", "paper"]


@dataclass(frozen=True)
class Experiment:
    """A problem of a paper, with our configuration of it.

    Attributes:
        name: as on the command line.
        title: as above a report.
        axis: name of the parameter.
        axis_label: what figures write below it.
        system: makes the particle system for a choice of physics.
        config: makes the configuration of a preset.
        printed: published W2 squared by stage and parameter: histograms of the published number
            of bins per axis, in a box around both clouds or over the torus, physics ``paper``.
        references: makes the system that references of the evaluation are drawn from, where it
            is not ``system``.
        particles: makes the simulator as it draws from the law of the references, where its clouds
            are no independent draws; the evaluation compares them with each other too.
        dyadic: whether the parameter is shown on a logarithmic axis.
    """

    name: str
    title: str
    axis: str
    axis_label: str
    system: Callable[[Physics], System]
    config: Callable[[Preset], Config]
    printed: Mapping[int, Mapping[float, float]] = field(default_factory=dict)
    references: Callable[[Physics], System] | None = None
    particles: Callable[[Physics], System] | None = None
    dyadic: bool = False
