"""The trained model: both stages as one map."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch

from twostep_rs._arrays import as_points
from twostep_rs._scalars import as_integer, as_real
from twostep_rs.errors import InputError, ShapeError
from twostep_rs.models.features import in_chart, wrapped
from twostep_rs.training import export, weights
from twostep_rs.training.device import resolve_device
from twostep_rs.training.seeds import generator
from twostep_rs.training.workers import Workers, one_thread

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike
    from torch import Tensor

    from twostep_rs.config import Config
    from twostep_rs.models.corrector import Corrector
    from twostep_rs.models.generator import Generator
    from twostep_rs.systems import System

# Rows of one evaluation: the activations of so many stay in the caches of a core. On a GPU the
# memory of a million suffices.
_ROWS_CPU = 1 << 12
_ROWS_GPU = 1 << 20

_LARGEST = torch.finfo(torch.float32).max


@dataclass(frozen=True, eq=False)
class TwoStepModel:
    """A one-step emulator of a particle system.

    Attributes:
        generator: network of stage I.
        corrector: network of stage II; None where stage I stands alone.
        system: the system that it emulates, whose prior :meth:`sample` draws from; None where it
            is not known.
        config: how it was trained.
    """

    generator: Generator
    corrector: Corrector | None
    system: System | None
    config: Config

    @property
    def stage_1(self) -> StageOne:
        """Stage I alone."""
        return StageOne(self)

    def sample(
        self, parameter: float, n: int = 15_000, seed: int = 0, source: ArrayLike | None = None
    ) -> Any:
        """Draw particles at ``parameter`` by all stages that there are.

        Args:
            parameter: the physical parameter, inside the range of training or beyond it.
            n: number of particles, where no source is given.
            seed: of the source particles, and of their paths where these are random.
            source: source particles, (n, d); drawn from the prior of the system by default.

        Returns:
            Particles, (n, d), float64; a tensor where ``source`` is one.

        Raises:
            InputError: a value out of range, or no source where the system is not known.
            ShapeError: ``source`` is not (n, d).
        """
        return self.transport(self._source(n, seed, source), parameter, seed=seed)

    def transport(
        self,
        source: ArrayLike,
        parameter: float,
        *,
        stage: Literal[1, 2] | None = None,
        evaluations: int | None = None,
        seed: int = 0,
    ) -> Any:
        """Carry source particles to the target law.

        Args:
            source: (n, d).
            parameter: the physical parameter.
            stage: 1 for stage I alone, 2 for both; all that there are by default.
            evaluations: evaluations of the network of stage I; by default as many as its method
                is meant to take, which is one for MeanFlow.
            seed: of the paths, where a method has random ones.

        Returns:
            Particles, (n, d), float64; a tensor where ``source`` is one.

        Raises:
            InputError: a value out of range, or NaN or infinite particles.
            ShapeError: ``source`` is not (n, d).
        """
        points = self._points(source)
        value = self._parameter(parameter)
        if evaluations is not None:
            evaluations = as_integer("evaluations", evaluations, low=1)
        last = self._stage(stage)
        seed = as_integer("seed", seed, low=0)
        device = self.generator.device
        on_cpu = device.type == "cpu"

        def carry(numbered: tuple[int, Tensor]) -> Tensor:
            number, part = numbered
            random = generator(seed, "paths", number, device=device)
            moved = self._transport(part.to(device).float(), value, last, evaluations, random)
            return moved.to(points.device).to(points.dtype)

        with one_thread() if on_cpu else contextlib.nullcontext():
            parts = Workers(None if on_cpu else 1).map(
                carry, list(enumerate(torch.split(points, _ROWS_CPU if on_cpu else _ROWS_GPU)))
            )
        found = torch.cat(parts)
        return found.to(source.device) if isinstance(source, torch.Tensor) else found.numpy()

    def export(self, path: str | os.PathLike[str], *, stage: Literal[1, 2] | None = None) -> None:
        """Write the map ``(source (n, d), parameter (n, 1)) -> particles (n, d)``, in float32.

        Programs that load it need nothing of this package, and may call it with any n.

        Args:
            path: a new file: ``.pt2`` for ``torch.export``, ``.onnx`` for ONNX (which takes the
                package onnxscript).
            stage: 1 for stage I alone, 2 for both; all that there are by default.

        Raises:
            InputError: another stage or kind of file.
            RunDirectoryError: the file cannot be written.
        """
        inputs = self.config.stage_2.inputs
        export.write(path, self.generator, self.corrector, inputs, stage=self._stage(stage))

    def save(self, directory: str | os.PathLike[str]) -> None:
        """Write ``weights.safetensors``, with everything :func:`twostep_rs.load` needs, there.

        Raises:
            RunDirectoryError: the file cannot be written.
        """
        weights.write(directory, self.generator, self.corrector, self.system, self.config)

    def _stage(self, stage: Literal[1, 2] | None) -> Literal[1, 2]:
        """The stage that is meant."""
        if stage is None:
            return 1 if self.corrector is None else 2
        if stage not in (1, 2):
            raise InputError(f"stage: expected 1 or 2, got {stage!r}")
        if stage == 2 and self.corrector is None:
            raise InputError("stage: expected 1 for a model without stage II, got 2")
        return stage

    @torch.no_grad()
    def _transport(
        self,
        source: Tensor,
        parameter: float,
        stage: int,
        evaluations: int | None,
        random: torch.Generator,
    ) -> Tensor:
        column = source.new_full((len(source), 1), parameter)
        source = in_chart(source, self.generator.scaling)
        x = self.generator.transport(source, column, evaluations=evaluations, random=random)
        if stage == 2:
            assert self.corrector is not None
            x = self.corrector(x, source if self.config.stage_2.inputs == "source" else x, column)
        # In double precision: rounded to single, the period itself may lie outside.
        period = self.generator.scaling.period
        x = x.double()
        return wrapped(x, None if period is None else x.new_tensor(period))

    def _source(self, n: int, seed: int, source: ArrayLike | None) -> ArrayLike:
        if source is not None:
            return source
        if self.system is None:
            raise InputError(
                "source: expected source particles, got None, and the system is not known; give "
                "one of source= and load(..., system=)"
            )
        return self.system.prior(as_integer("n", n, low=1), as_integer("seed", seed, low=0))

    def _points(self, source: ArrayLike) -> Tensor:
        """The source as a tensor; one that is on a GPU stays there."""
        points = (
            source.detach()
            if isinstance(source, torch.Tensor) and source.is_floating_point()
            else torch.from_numpy(as_points("source", source))
        )
        dim = self.generator.scaling.dim
        if points.ndim != 2 or points.shape[1] != dim or not len(points):
            raise ShapeError(f"source: expected shape (n, {dim}), got {tuple(points.shape)}")
        if not (points.abs() < _LARGEST).all():
            raise InputError(
                "source: expected finite values within float32, got NaN, infinity or a larger one"
            )
        return points

    def _parameter(self, parameter: float) -> float:
        value = as_real("parameter", parameter)
        if abs(value) >= _LARGEST:
            raise InputError(f"parameter: expected a number within float32, got {value}")
        if self.generator.scaling.logarithmic and value <= 0.0:
            raise InputError(f"parameter: expected a positive number, as in training, got {value}")
        return value


@dataclass(frozen=True, eq=False)
class StageOne:
    """Stage I of a model alone."""

    model: TwoStepModel

    def sample(
        self,
        parameter: float,
        n: int = 15_000,
        seed: int = 0,
        source: ArrayLike | None = None,
        *,
        evaluations: int | None = None,
    ) -> Any:
        """Draw particles by stage I; as :meth:`TwoStepModel.sample` otherwise."""
        source = self.model._source(n, seed, source)  # noqa: SLF001
        return self.transport(source, parameter, evaluations=evaluations, seed=seed)

    def transport(
        self,
        source: ArrayLike,
        parameter: float,
        *,
        evaluations: int | None = None,
        seed: int = 0,
    ) -> Any:
        """Carry source particles by stage I; as :meth:`TwoStepModel.transport` otherwise."""
        return self.model.transport(source, parameter, stage=1, evaluations=evaluations, seed=seed)


def load(
    path: str | os.PathLike[str], *, system: System | None = None, device: str = "cpu"
) -> TwoStepModel:
    """Load a model that was saved, or that a run left.

    Args:
        path: the run, the directory given to ``save``, or the file of weights.
        system: the system, where it is one of your own, to draw source particles from.
        device: where the networks go.

    Raises:
        FileFormatError: the file is missing, truncated, foreign, or its fields do not fit.
        DeviceError: the device is not there.
    """
    place = resolve_device(device)
    content = weights.read(path)
    return TwoStepModel(
        content.generator.to(place),
        None if content.corrector is None else content.corrector.to(place),
        content.system if system is None else system,
        content.config,
    )
