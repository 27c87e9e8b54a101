"""The file of a trained model: weights, and in its metadata what they mean."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from twostep_rs import config as configuration
from twostep_rs.errors import FileFormatError, RunDirectoryError
from twostep_rs.methods import registry
from twostep_rs.models.features import Scaling
from twostep_rs.systems.description import describe, restore
from twostep_rs.training import stage_2

if TYPE_CHECKING:
    import os

    from torch import Tensor, nn

    from twostep_rs.config import Config
    from twostep_rs.models.corrector import Corrector
    from twostep_rs.models.generator import Generator
    from twostep_rs.systems import System

NAME = "weights.safetensors"

_FORMAT = "twostep weights 2"
_KEY = "twostep"
_SECTIONS = {
    "simulation": configuration.SimulationConfig,
    "stage_2": configuration.StageTwoConfig,
    "evaluation": configuration.EvaluationConfig,
    "convergence": configuration.ConvergenceConfig,
}


class Content(NamedTuple):
    """What a file of weights holds."""

    generator: Generator
    corrector: Corrector | None
    system: System | None
    config: Config


def write(
    directory: str | os.PathLike[str],
    generator: Generator,
    corrector: Corrector | None,
    system: System | None,
    config: Config,
) -> None:
    """Write the networks to ``directory``, which is made if it is not there.

    Raises:
        RunDirectoryError: the file cannot be written.
    """
    tensors = {
        f"{prefix}.{name}": tensor.cpu().contiguous()
        for prefix, net in (("stage_1", generator), ("stage_2", corrector))
        if net is not None
        for name, tensor in net.state_dict().items()
    }
    fields = {
        "format": _FORMAT,
        "config": asdict(config),
        "scaling": asdict(generator.scaling),
        "system": None if system is None else describe(system),
    }
    # One key: safetensors writes several in an order that changes from run to run.
    metadata = {_KEY: json.dumps(fields, sort_keys=True)}
    path = Path(directory) / NAME
    partial = path.with_name(NAME + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, partial, metadata)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise RunDirectoryError(f"{path}: cannot be written ({error})") from error


def read(path: str | os.PathLike[str]) -> Content:
    """Read the networks, on the CPU, from a file or from a directory that holds it.

    Raises:
        FileFormatError: the file is missing, truncated, foreign, or its fields do not fit.
    """
    file = Path(path)
    if file.is_dir():
        file = file / NAME
    try:
        with safe_open(file, framework="pt") as content:
            text = (content.metadata() or {}).get(_KEY, "{}")
            tensors = {name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise FileFormatError(f"{file}: expected weights, found no such file") from error
    except (OSError, SafetensorError) as error:
        raise FileFormatError(
            f"{file}: expected weights, got a file that is truncated or foreign"
        ) from error
    fields = _parsed(text)
    if fields.get("format") != _FORMAT:
        raise FileFormatError(f"{file}: format: expected {_FORMAT!r}, got {fields.get('format')!r}")
    scaling = _field(file, fields, "scaling", _scaling)
    config = _field(file, fields, "config", _config)
    with torch.random.fork_rng(devices=[]):
        generator = registry.get(config.method).implementation.build(scaling, config.stage_1)
        generator = generator.with_evaluations(config.evaluations)
        corrector = stage_2.build(scaling, config.stage_2) if config.stages == 2 else None
    _fill(file, "stage_1", generator, tensors)
    if corrector is not None:
        _fill(file, "stage_2", corrector.eval(), tensors)
    system = _field(file, fields, "system", restore)
    return Content(generator.eval(), corrector, system, config)


def _parsed(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def _field(file: Path, fields: dict[str, Any], name: str, parse: Any) -> Any:
    try:
        return parse(fields[name])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{file}: {name}: expected one that can be read, got {error}"
        ) from error


def _scaling(fields: dict[str, Any]) -> Scaling:
    low, high = fields["parameters"]
    location, scale = tuple(fields["location"]), tuple(fields["scale"])
    if not location or len(location) != len(scale):
        raise ValueError(f"{len(location)} locations and {len(scale)} scales")
    period, origin = (
        None if fields[name] is None else tuple(fields[name]) for name in ("period", "origin")
    )
    if any(place is not None and len(place) != len(location) for place in (period, origin)):
        raise ValueError(f"{len(location)} locations, periods {period} and origin {origin}")
    return Scaling(location, scale, (low, high), period, origin)


def _config(fields: dict[str, Any]) -> Config:
    # Files that were written when MeanFlow was the only method do not name it.
    method = registry.get(fields.get("method", "meanflow"))
    sections: dict[str, Any] = {
        name: section(**{key: _tuples(value) for key, value in fields.pop(name).items()})
        for name, section in {**_SECTIONS, "stage_1": method.config}.items()
    }
    return configuration.Config(**fields, **sections)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _fill(file: Path, prefix: str, net: nn.Module, tensors: dict[str, Tensor]) -> None:
    expected = net.state_dict()
    for name, tensor in expected.items():
        found = tensors.get(f"{prefix}.{name}")
        if found is None or found.shape != tensor.shape or found.dtype != tensor.dtype:
            got = "none" if found is None else f"{found.dtype} {tuple(found.shape)}"
            raise FileFormatError(
                f"{file}: {prefix}.{name}: expected {tensor.dtype} {tuple(tensor.shape)}, got {got}"
            )
        if not found.isfinite().all():
            raise FileFormatError(f"{file}: {prefix}.{name}: expected finite values, got NaN")
        expected[name] = found
    net.load_state_dict(expected)
