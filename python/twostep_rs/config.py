"""Configuration of a run: frozen dataclasses whose defaults are the ``full`` preset."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Coupling = Literal["paired", "independent", "exact"]


@dataclass(frozen=True)
class SimulationConfig:
    """What is simulated: parameters of training, particles and constants."""

    physics: Literal["paper", "aggregating", "resolved"] = "paper"
    parameters: tuple[float, ...] = ()
    particles: int = 15_000


@dataclass(frozen=True)
class StageOneConfig:
    """MeanFlow: network, loss, schedule."""

    method: Literal["meanflow", "imf"] = "imf"
    coupling: Coupling = "paired"
    head: Literal["plain", "affine"] = "affine"
    width: int = 64
    depth: int = 5
    steps: int = 20_000
    batch: int = 8_192
    learning_rate: float = 1e-3
    ema: float = 0.999
    clip: float = 10.0
    weighting_power: float = 0.0
    weighting_offset: float = 1e-2
    times: Literal["uniform", "logit-normal"] = "uniform"
    times_mean: float = -0.4
    times_scale: float = 1.0
    equal_times: float = 0.5


@dataclass(frozen=True)
class StageTwoConfig:
    """Deep Particle: near-identity corrector trained on exact couplings, one per parameter."""

    head: Literal["plain", "affine"] = "affine"
    width: int = 64
    depth: int = 4
    steps: int = 2_000
    batch: int = 1_500
    batch_period: int = 50
    refresh: int = 50
    solver: Literal["exact"] = "exact"
    alpha: float = 1.0
    residual_weight: float = 1e-3
    learning_rate: float = 1e-3
    ema: float = 0.99
    clip: float = 10.0


@dataclass(frozen=True)
class EvaluationConfig:
    """The evaluation rule: fresh sources, several references, a floor from reference pairs."""

    parameters: tuple[float, ...] = ()
    particles: int = 15_000
    references: int = 4
    floor_pairs: int = 10
    bins: int = 24
    boxes: tuple[Literal["reference", "joint"], ...] = ("reference", "joint")
    metrics: tuple[Literal["histogram", "exact"], ...] = ("histogram", "exact")


@dataclass(frozen=True)
class Config:
    """Everything that determines a run; one seed fixes all randomness."""

    experiment: str = "ks3d-laminar"
    preset: Literal["quick", "full", "paper"] = "full"
    seed: int = 0
    device: str = "cpu"
    threads: int | None = None
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    stage_1: StageOneConfig = field(default_factory=StageOneConfig)
    stage_2: StageTwoConfig = field(default_factory=StageTwoConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
