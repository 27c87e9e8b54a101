"""Configuration of a run: frozen dataclasses whose defaults are the ``full`` preset."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from twostep_rs._seeds import LARGEST_SEED
from twostep_rs.errors import ConfigError, InputError
from twostep_rs.methods import registry

Coupling = Literal["auto", "paired", "independent", "exact"]
Head = Literal["plain", "affine", "log-affine", "quadratic"]
Torus = Literal["whole", "cut"]
Metric = Literal[
    "histogram", "exact", "planes", "masses", "subsample_independent", "subsample_paired"
]


@dataclass(frozen=True)
class SimulationConfig:
    """The clouds that the stages are trained on.

    Attributes:
        physics: constants and time step of the simulator.
        parameters: parameters of the training clouds.
        particles: particles of each training cloud; where a simulator has a population of its
            own, those of several generations.
        torus: what networks are told of a position on a torus: periodic waves, so that maps are
            continuous all around it; or coordinates in the cell whose faces meet the fewest
            target particles, so that no map has to lead through the empty part of a law.
    """

    physics: Literal["paper", "aggregating", "resolved"] = "paper"
    parameters: tuple[float, ...] = ()
    particles: int = 15_000
    torus: Torus = "whole"

    def __post_init__(self) -> None:
        _check_types(self)
        _distinct("parameters", self.parameters)
        _at_least("particles", self.particles, 1)


@dataclass(frozen=True)
class MethodConfig:
    """Network, budget and optimiser of stage I, by whatever method it is trained.

    Attributes:
        head: how the parameter enters the output: not, by a polynomial, or affinely by its
            logarithm.
        jitter: noise on the parameter that the trunk sees in training, in units of the range.
        waves: octaves of waves of the positions among the inputs; at least two on a torus that is
            not cut, where networks see nothing else of a position.
        width: width of every hidden layer.
        depth: number of hidden layers.
        steps: optimiser steps.
        batch: rows of a step.
        learning_rate: the largest; it warms up and falls to zero.
        ema: decay per step of the average of the weights.
        clip: largest norm of a gradient.
    """

    head: Head = "affine"
    jitter: float = 0.1
    waves: int = 3
    width: int = 128
    depth: int = 5
    steps: int = 20_000
    batch: int = 4_096
    learning_rate: float = 1.5e-3
    ema: float = 0.999
    clip: float = 10.0

    def __post_init__(self) -> None:
        _check_types(self)
        self._require_at_least(1, "width", "depth", "steps", "batch")
        self._require_at_least(0, "jitter", "waves")
        self._require_positive("learning_rate", "clip")
        self._require_share("ema")
        _jitter_needs_affine(self.head, self.jitter)

    def _require_at_least(self, low: float, *names: str) -> None:
        for name in names:
            _at_least(name, getattr(self, name), low)

    def _require_positive(self, *names: str) -> None:
        for name in names:
            _positive(name, getattr(self, name))

    def _require_share(self, *names: str) -> None:
        for name in names:
            _share(name, getattr(self, name))


@dataclass(frozen=True)
class PairedConfig(MethodConfig):
    """Stage I by a method that is trained on pairs of source and target particles.

    Attributes:
        coupling: which source particle a target particle is trained with: the one that it came
            from, any, or its partner in an optimal plan between the whole clouds, in blocks
            where there are more than 20 000. Auto is the first of these where its pairs cost less
            than twice the optimal plan, else the last.
    """

    coupling: Coupling = "auto"


@dataclass(frozen=True)
class StageOneConfig(PairedConfig):
    """MeanFlow: loss and times.

    Attributes:
        method: direction of the derivative: the pair's velocity, or the network's own (imf).
        weighting_power: p of the weight (e + c)^-p.
        weighting_offset: c of the weight.
        times: law of the two times of a row.
        times_mean: mean of the logit, for ``logit-normal``.
        times_scale: standard deviation of the logit, for ``logit-normal``.
        equal_times: share of rows whose interval is empty.
    """

    method: Literal["meanflow", "imf"] = "imf"
    weighting_power: float = 0.0
    weighting_offset: float = 1e-2
    times: Literal["uniform", "logit-normal"] = "uniform"
    times_mean: float = -0.4
    times_scale: float = 1.0
    equal_times: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive("weighting_offset", "times_scale")
        self._require_at_least(0, "weighting_power")
        self._require_share("equal_times")


@dataclass(frozen=True)
class StageTwoConfig:
    """Deep Particle: near-identity corrector trained on exact couplings, one per parameter.

    Attributes:
        head: how the parameter enters the output: not, by a polynomial, or affinely by its
            logarithm.
        jitter: noise on the parameter that the trunk sees in training, in units of the range.
        inputs: where the correction is evaluated: at the output of stage I, or at the source
            particle that it came from, which stays in the range of training at any parameter.
        waves: octaves of waves of the positions among the inputs; at least two on a torus that is
            not cut, where networks see nothing else of a position.
        width: width of every residual block.
        depth: number of residual blocks.
        steps: optimiser steps.
        source: source particles of the batches: those of the clouds, whose fluctuations their
            targets share, or fresh ones from the prior.
        batch: particles of each parameter in a batch.
        batch_period: steps between new batches.
        refresh: steps between couplings of the same batch.
        pool: batches that take turns before others are drawn.
        visits: turns of every batch, each of ``batch_period`` steps; only in the first one are
            its couplings solved from nothing.
        ahead: couplings that are solved while steps are taken, by the network as it was up to
            ``ahead * refresh`` steps earlier; with 0 training waits for each.
        solver: how batches are coupled: by exact plans, or by the barycentres of entropic ones.
        epsilon: strength of the entropy, of ``sinkhorn`` alone.
        epsilon_unit: what it is in units of: the cost, or the mean cost of each problem.
        sinkhorn_iterations: budget of each solve, of ``sinkhorn`` alone.
        debias: whether a second batch takes the bias of finite batches out of the couplings.
        alpha: factor of the correction.
        residual_weight: price of the squared correction.
        learning_rate: the largest; it warms up and falls to zero.
        ema: decay per step of the average of the weights.
        clip: largest norm of a gradient.
    """

    head: Head = "affine"
    jitter: float = 0.1
    inputs: Literal["position", "source"] = "source"
    waves: int = 3
    width: int = 128
    depth: int = 4
    steps: int = 3_000
    source: Literal["clouds", "prior"] = "clouds"
    batch: int = 1_500
    batch_period: int = 30
    refresh: int = 30
    pool: int = 50
    visits: int = 1
    ahead: int = 3
    solver: Literal["exact", "sinkhorn"] = "exact"
    epsilon: float = 0.01
    epsilon_unit: Literal["absolute", "mean-cost"] = "absolute"
    sinkhorn_iterations: int = 1_000
    debias: bool = True
    alpha: float = 1.0
    residual_weight: float = 1e-3
    learning_rate: float = 1e-3
    ema: float = 0.999
    clip: float = 10.0

    def __post_init__(self) -> None:
        _check_types(self)
        for name in (
            "width",
            "depth",
            "steps",
            "batch",
            "batch_period",
            "refresh",
            "pool",
            "visits",
            "sinkhorn_iterations",
        ):
            _at_least(name, getattr(self, name), 1)
        for name in ("learning_rate", "clip", "alpha", "epsilon"):
            _positive(name, getattr(self, name))
        for name in ("ahead", "jitter", "waves", "residual_weight"):
            _at_least(name, getattr(self, name), 0.0)
        _jitter_needs_affine(self.head, self.jitter)
        if self.refresh > self.batch_period:
            raise ConfigError(
                f"refresh: expected at most batch_period = {self.batch_period}, got {self.refresh}"
            )
        if self.ahead and self.pool * self.visits * self.batch_period == self.refresh:
            raise ConfigError(
                "ahead: expected 0 where pool, visits and refresh leave one coupling in a round, "
                f"got {self.ahead}"
            )
        if self.ahead and self.solver == "sinkhorn":
            raise ConfigError(f"ahead: expected 0 with solver 'sinkhorn', got {self.ahead}")
        _share("ema", self.ema)

    def check_fits(self, particles: int) -> None:
        """Refuse batches that clouds of so many particles cannot fill.

        Raises:
            InputError: a batch is larger than the clouds, or than half of them where its twin is
                drawn from them too.
        """
        if self.batch > particles:
            raise InputError(
                f"stage_2.batch: expected at most the {particles} particles of a cloud, "
                f"got {self.batch}"
            )
        if self.debias and self.source == "clouds" and 2 * self.batch > particles:
            # A batch and its twin would share most of their rows, and with them their bias.
            raise InputError(
                f"stage_2.batch: expected at most half of the {particles} particles of a cloud, "
                f"got {self.batch}"
            )


@dataclass(frozen=True)
class EvaluationConfig:
    """The evaluation: fresh sources, several references, a floor from pairs of references.

    Attributes:
        parameters: parameters of the evaluation, inside and outside the range of training.
        particles: particles of every cloud.
        references: comparisons of each stage, every one with a reference and a source of its own.
        floor_pairs: pairs of independent references whose mean distance is the floor.
        subsample: particles of each cloud in the metrics of that name.
        bins: cells per axis of the histograms.
        boxes: where histograms lie: around the reference, or around both clouds. Tori need none.
        metrics: W2 squared between histograms, between the clouds themselves (``exact``), between
            histograms of every coordinate plane (``planes``), from histograms to the exact
            masses of their cells, where the law is known (``masses``; of planes beyond two axes),
            or between some particles of the clouds (``subsample_independent``; in
            ``subsample_paired`` those of both clouds come from the same source particles).
    """

    parameters: tuple[float, ...] = ()
    particles: int = 15_000
    references: int = 4
    floor_pairs: int = 10
    subsample: int = 2_000
    bins: int = 24
    boxes: tuple[Literal["reference", "joint"], ...] = ("reference", "joint")
    metrics: tuple[Metric, ...] = ("histogram", "exact")

    def __post_init__(self) -> None:
        _check_types(self)
        _distinct("parameters", self.parameters)
        _at_least("particles", self.particles, 1)
        # A standard error takes two.
        _at_least("references", self.references, 2)
        _at_least("floor_pairs", self.floor_pairs, 2)
        _at_least("bins", self.bins, 2)  # in one cell every distance is zero
        _at_least("subsample", self.subsample, 1)
        if (
            any(name.startswith("subsample") for name in self.metrics)
            and self.subsample > self.particles
        ):
            raise ConfigError(
                f"subsample: expected at most particles = {self.particles}, got {self.subsample}"
            )
        for name in ("boxes", "metrics"):
            _distinct(name, getattr(self, name))
            _at_least(f"{name} (number of)", len(getattr(self, name)), 1)


@dataclass(frozen=True)
class ConvergenceConfig:
    """Growth rates of Feynman-Kac particles from cold and from learned starts.

    Attributes:
        parameters: diffusivities; none where an experiment has no growth rate.
        particles: particles of every run.
        generations: periods of every run.
        seeds: runs from every start.
        resampling: scheme of the runs.
    """

    parameters: tuple[float, ...] = ()
    particles: int = 20_000
    generations: int = 128
    seeds: int = 20
    resampling: Literal["systematic", "multinomial"] = "systematic"

    def __post_init__(self) -> None:
        _check_types(self)
        _distinct("parameters", self.parameters)
        _at_least("particles", self.particles, 2)
        _at_least("generations", self.generations, 1)
        # A standard error takes two.
        _at_least("seeds", self.seeds, 2)


@dataclass(frozen=True)
class Config:
    """Everything that determines a run; one seed fixes all randomness.

    Attributes:
        experiment: name of the experiment.
        preset: which defaults the rest was built from.
        method: how stage I is trained, by the name in :mod:`twostep_rs.methods`.
        stages: 2 where Deep Particle follows stage I, 1 where it does not.
        evaluations: evaluations of the network of stage I that a sample takes; as many as its
            method does by default. It is no part of its training, but stage II follows it.
        seed: fixes all randomness, from 0 to 2^32 - 1.
        device: where networks are trained: cpu, cuda, or cuda with a number.
        compile: whether torch.compile compiles the steps of training.
        threads: threads of simulations, solvers and networks.
    """

    experiment: str = "ks3d-laminar"
    preset: Literal["quick", "full", "paper"] = "full"
    method: str = "meanflow"
    stages: Literal[1, 2] = 2
    evaluations: int | None = None
    seed: int = 0
    device: str = "cpu"
    compile: bool = False
    threads: int | None = None
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    stage_1: MethodConfig = field(default_factory=StageOneConfig)
    stage_2: StageTwoConfig = field(default_factory=StageTwoConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    convergence: ConvergenceConfig = field(default_factory=ConvergenceConfig)

    def __post_init__(self) -> None:
        expected = registry.METHODS[registry.known(self.method)].config
        if type(self.stage_1) is not expected:
            raise ConfigError(
                f"stage_1: expected {expected.__name__} of method {self.method!r}, "
                f"got {self.stage_1!r}"
            )
        _check_types(self)
        if not 0 <= self.seed <= LARGEST_SEED:
            raise ConfigError(f"seed: expected 0 to {LARGEST_SEED}, got {self.seed}")
        for name in ("evaluations", "threads"):
            if (value := getattr(self, name)) is not None:
                _at_least(name, value, 1)

    def for_method(self, name: str) -> Config:
        """This configuration with stage I by another method.

        Fields of stage I that both methods have keep their values, so that network, pairs and steps
        (of each phase, where a method has several) are the same; what is the new method's own has
        its default. Stage II follows methods of one evaluation.

        Raises:
            ConfigError: there is no such method.
        """
        method = registry.get(name)
        if method.name == self.method:
            return self
        names = {entry.name for entry in fields(method.config)}
        kept = {
            entry.name: getattr(self.stage_1, entry.name)
            for entry in fields(self.stage_1)
            if entry.name in names
        }
        return replace(
            self,
            method=method.name,
            stages=2 if method.evaluations == 1 else 1,
            stage_1=method.config(**kept),
        )


_TYPE_HINTS: dict[type, dict[str, Any]] = {}


def type_hints(section: type) -> dict[str, Any]:
    """Types of the fields of a section; annotations are text, which takes long to evaluate."""
    if section not in _TYPE_HINTS:
        _TYPE_HINTS[section] = get_type_hints(section)
    return _TYPE_HINTS[section]


def _jitter_needs_affine(head: str, jitter: float) -> None:
    """A plain head knows the parameter from the trunk alone, which jitter would blur."""
    if head == "plain" and jitter > 0.0:
        raise ConfigError(f"jitter: expected 0 with head 'plain', got {jitter}")


def _check_types(config: object) -> None:
    """Every field has the type that it is declared with; a float may be an integer."""
    for name, declared in type_hints(type(config)).items():
        value = getattr(config, name)
        if not _fits(value, declared):
            expected = (
                f"one of {list(get_args(declared))}"
                if get_origin(declared) is Literal
                else getattr(declared, "__name__", str(declared))
            )
            raise ConfigError(f"{name}: expected {expected}, got {value!r}")


def _fits(value: object, declared: Any) -> bool:
    arguments = get_args(declared)
    if get_origin(declared) is Literal:
        return value in arguments
    if get_origin(declared) is tuple:
        return isinstance(value, tuple) and all(_fits(item, arguments[0]) for item in value)
    if arguments:  # a union
        return any(_fits(value, argument) for argument in arguments)
    if isinstance(value, bool):
        return declared is bool
    if declared is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, declared)


def _at_least(name: str, value: float, low: float) -> None:
    if not low <= value < math.inf:
        raise ConfigError(f"{name}: expected at least {low}, got {value}")


def _positive(name: str, value: float) -> None:
    if not 0.0 < value < math.inf:
        raise ConfigError(f"{name}: expected a positive number, got {value}")


def _share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"{name}: expected a number from 0 to 1, got {value}")


def _distinct(name: str, values: tuple[object, ...]) -> None:
    if len(set(values)) < len(values):
        raise ConfigError(f"{name}: expected no value twice, got {list(values)}")
