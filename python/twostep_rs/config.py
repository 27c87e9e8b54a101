"""Configuration of a run: frozen dataclasses whose defaults are the ``full`` preset."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from twostep_rs._seeds import LARGEST_SEED
from twostep_rs.errors import ConfigError

Coupling = Literal["paired", "independent", "exact"]


@dataclass(frozen=True)
class SimulationConfig:
    """The clouds that the stages are trained on.

    Attributes:
        physics: constants and time step of the simulator.
        parameters: parameters of the training clouds.
        particles: particles of each training cloud.
    """

    physics: Literal["paper", "aggregating", "resolved"] = "paper"
    parameters: tuple[float, ...] = ()
    particles: int = 15_000

    def __post_init__(self) -> None:
        _distinct("parameters", self.parameters)
        _at_least("particles", self.particles, 1)


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
    """The evaluation: fresh sources, several references, a floor from pairs of references.

    Attributes:
        parameters: parameters of the evaluation, inside and outside the range of training.
        particles: particles of every cloud.
        references: comparisons of each stage, every one with a reference and a source of its own.
        floor_pairs: pairs of independent references whose mean distance is the floor.
        bins: cells per axis of the histograms.
        boxes: where histograms lie: around the reference, or around both clouds.
        metrics: W2 squared between histograms, or between the clouds themselves.
    """

    parameters: tuple[float, ...] = ()
    particles: int = 15_000
    references: int = 4
    floor_pairs: int = 10
    bins: int = 24
    boxes: tuple[Literal["reference", "joint"], ...] = ("reference", "joint")
    metrics: tuple[Literal["histogram", "exact"], ...] = ("histogram", "exact")

    def __post_init__(self) -> None:
        _distinct("parameters", self.parameters)
        _at_least("particles", self.particles, 1)
        # A standard error takes two.
        _at_least("references", self.references, 2)
        _at_least("floor_pairs", self.floor_pairs, 2)
        _at_least("bins", self.bins, 1)
        for name in ("boxes", "metrics"):
            _distinct(name, getattr(self, name))
            _at_least(f"{name} (number of)", len(getattr(self, name)), 1)


@dataclass(frozen=True)
class Config:
    """Everything that determines a run; one seed fixes all randomness.

    Attributes:
        experiment: name of the experiment.
        preset: which defaults the rest was built from.
        seed: fixes all randomness, from 0 to 2^32 - 1.
        device: where networks are trained: cpu, cuda, or cuda with a number.
        threads: threads of simulations, solvers and networks.
    """

    experiment: str = "ks3d-laminar"
    preset: Literal["quick", "full", "paper"] = "full"
    seed: int = 0
    device: str = "cpu"
    threads: int | None = None
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    stage_1: StageOneConfig = field(default_factory=StageOneConfig)
    stage_2: StageTwoConfig = field(default_factory=StageTwoConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ConfigError(f"seed: expected 0 to {LARGEST_SEED}, got {self.seed}")
        if self.threads is not None:
            _at_least("threads", self.threads, 1)


def _at_least(name: str, value: int, low: int) -> None:
    if value < low:
        raise ConfigError(f"{name}: expected at least {low}, got {value}")


def _distinct(name: str, values: tuple[object, ...]) -> None:
    if len(set(values)) < len(values):
        raise ConfigError(f"{name}: expected no value twice, got {list(values)}")
