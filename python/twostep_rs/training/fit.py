"""All stages by one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from twostep_rs import config as configuration
from twostep_rs._scalars import as_real
from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.errors import DtypeError, InputError
from twostep_rs.methods import registry
from twostep_rs.systems import Cloud, Domain, System
from twostep_rs.threads import num_threads
from twostep_rs.training import stage_2
from twostep_rs.training.data import TrainingData
from twostep_rs.training.device import resolve_device
from twostep_rs.training.model import TwoStepModel

if TYPE_CHECKING:
    from twostep_rs.config import Config
    from twostep_rs.training.loop import Log, Progress


def fit(
    system: System | Mapping[float, Cloud],
    parameters: Sequence[float] | None = None,
    config: Config | None = None,
    *,
    period: Sequence[float] | None = None,
    progress: Progress | None = None,
    log: Log | None = None,
) -> TwoStepModel:
    """Simulate, and train stage I and, unless ``config.stages`` is 1, stage II.

    In a process group (``torch.distributed``) all ranks call this alike: they share the work and
    get the same model.

    Args:
        system: a particle system, or clouds of its own per parameter.
        parameters: parameters of training; those of ``config.simulation`` by default. Not with
            clouds, which have their own.
        config: everything else; the full size by default.
        period: periods of the torus that clouds lie on, one per axis; a system has its own.
        progress: called as ``progress(step, steps)`` after every step of both stages.
        log: called with rows of metrics of both stages.

    Returns:
        The model, on the device of ``config``.

    Raises:
        DtypeError: ``system`` is neither a system nor clouds.
        InputError: no parameters, parameters beside clouds, or periods beside a system.
        DeviceError: the device is not there.
    """
    config = configuration.Config() if config is None else config
    if not isinstance(config, configuration.Config):
        raise DtypeError(f"config: expected a Config, got {type(config).__name__}")
    resolve_device(config.device)
    with num_threads(config.threads):
        return _fit(system, parameters, config, period, progress, log)


def _fit(
    system: System | Mapping[float, Cloud],
    parameters: Sequence[float] | None,
    config: Config,
    period: Sequence[float] | None,
    progress: Progress | None,
    log: Log | None,
) -> TwoStepModel:
    refined = config.stages == 2
    if refined and not isinstance(system, Mapping):
        config.stage_2.check_fits(config.simulation.particles)
    clouds = _clouds(system, parameters, config)
    known = None if isinstance(system, Mapping) else system
    if known is not None and period is not None:
        raise InputError("period: expected none beside a system, which has its own")
    domain = Domain(None if period is None else tuple(period)) if known is None else known.domain
    data = TrainingData.from_clouds(clouds, domain.period, config.simulation.torus)
    if refined:
        config.stage_2.check_fits(data.particles)
    config = replace(
        config,
        experiment="",
        simulation=replace(
            config.simulation,
            physics=getattr(system, "physics", config.simulation.physics),
            parameters=data.parameters,
            particles=data.particles,
        ),
    )
    prior = None if known is None else known.prior
    report = _Progress(progress, config.stage_2.steps if refined else 0)
    generator = (
        registry.get(config.method)
        .implementation.train(
            data,
            config.stage_1,
            seed=config.seed,
            prior=prior,
            device=config.device,
            progress=report.first,
            log=log,
            threads=config.threads,
            compiled=config.compile,
        )
        .with_evaluations(config.evaluations)
    )
    if not refined:
        return TwoStepModel(generator, None, known, config)
    corrector = stage_2.train(
        generator,
        data,
        config.stage_2,
        seed=config.seed,
        device=config.device,
        prior=prior,
        progress=report.second,
        log=log,
        threads=config.threads,
        compiled=config.compile,
    )
    return TwoStepModel(generator, corrector, known, config)


class _Progress:
    """Both stages as one count of steps.

    Args:
        progress: called as ``progress(done, total)``, if it is given.
        second: steps of stage II.
    """

    def __init__(self, progress: Progress | None, second: int) -> None:
        self._progress = progress
        self._first = 0
        self._second = second

    def first(self, step: int, steps: int) -> None:
        """A step of stage I, whose method knows how many there are."""
        self._first = steps
        if self._progress is not None:
            self._progress(step, steps + self._second)

    def second(self, step: int, steps: int) -> None:
        """A step of stage II."""
        if self._progress is not None:
            self._progress(self._first + step, self._first + steps)


def _clouds(
    system: Any, parameters: Sequence[float] | None, config: Config
) -> Mapping[float, Cloud]:
    if isinstance(system, Mapping):
        if parameters is not None:
            raise InputError("parameters: expected none beside clouds, which have their own")
        return system
    if not isinstance(system, System):
        raise DtypeError(
            "system: expected an object with dim, domain, prior and simulate, or clouds per "
            f"parameter, got {type(system).__name__}"
        )
    chosen = config.simulation.parameters if parameters is None else parameters
    if not isinstance(chosen, Iterable):
        raise DtypeError(f"parameters: expected a sequence of numbers, got {chosen!r}")
    values = [as_real("parameters", parameter) for parameter in chosen]
    if not values:
        raise InputError("parameters: expected at least one, got none")
    if len(set(values)) < len(values):
        raise InputError(f"parameters: expected no value twice, got {values}")
    # One seed for all parameters: clouds that share their source share its fluctuations too.
    seed = cloud_seed(config.seed, Purpose.TRAINING)
    n = config.simulation.particles
    return {value: system.simulate(value, n=n, seed=seed) for value in values}
