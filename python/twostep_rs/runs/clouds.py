"""Clouds in ``.npz`` files, checked when they are read."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from twostep_rs.errors import FileFormatError, InputError
from twostep_rs.runs.files import write_atomically
from twostep_rs.systems import Cloud

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 1


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays to one ``.npz`` file, atomically.

    Raises:
        RunDirectoryError: there is no space or no permission.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **{"format": np.int64(FORMAT), **arrays})
    write_atomically(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what :func:`write_arrays` wrote.

    Raises:
        FileFormatError: the file is missing, truncated, foreign or of another version.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file):  # refuses what is no whole archive
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise FileFormatError(f"{path}: expected a file, got {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"{path}: expected a whole .npz file, got {error}") from error
    version = arrays.pop("format", None)
    if version is None or version.shape != () or version != FORMAT:
        raise FileFormatError(f"{path}: format: expected {FORMAT}, got {version}")
    return arrays


def write_cloud(path: Path, cloud: Cloud, parameter: float) -> None:
    """Write a cloud and the parameter it was simulated at.

    Raises:
        RunDirectoryError: there is no space or no permission.
    """
    write_arrays(
        path,
        {
            "source": cloud.source,
            "target": cloud.target,
            "paired": np.bool_(cloud.paired),
            "parameter": np.float64(parameter),
        },
    )


def read_cloud(path: Path, parameter: float, n: int, dim: int) -> Cloud:
    """Read a cloud of ``n`` targets in ``dim`` dimensions, simulated at ``parameter``.

    Raises:
        FileFormatError: the file is missing, truncated or foreign, or a field does not fit.
    """
    arrays = read_arrays(path)
    for name, shape, kind in (
        ("source", None, "f"),
        ("target", (n, dim), "f"),
        ("paired", (), "b"),
        ("parameter", (), "f"),
    ):
        array = arrays.get(name)
        if array is None or array.dtype.kind != kind:
            got = "nothing" if array is None else f"dtype {array.dtype}"
            raise FileFormatError(f"{path}: {name}: expected dtype of kind {kind!r}, got {got}")
        if shape is not None and array.shape != shape:
            raise FileFormatError(f"{path}: {name}: expected shape {shape}, got {array.shape}")
    if float(arrays["parameter"]) != parameter:
        raise FileFormatError(
            f"{path}: parameter: expected {parameter!r}, got {float(arrays['parameter'])!r}"
        )
    try:
        return Cloud(arrays["source"], arrays["target"], paired=bool(arrays["paired"]))
    except InputError as error:
        raise FileFormatError(f"{path}: {error}") from error


def write_gallery(path: Path, clouds: Mapping[float, Mapping[int, NDArray[np.float64]]]) -> None:
    """Write the clouds of an evaluation, for figures: float32, by parameter and stage.

    Raises:
        RunDirectoryError: there is no space or no permission.
    """
    stages = list(next(iter(clouds.values())))
    points = [[by_stage[stage] for stage in stages] for by_stage in clouds.values()]
    write_arrays(
        path,
        {
            "parameters": np.array(list(clouds), dtype=np.float64),
            "stages": np.array(stages, dtype=np.int64),
            "points": np.array(points, dtype=np.float32),
        },
    )


def read_gallery(path: Path) -> dict[float, dict[int, NDArray[np.float64]]]:
    """Read what :func:`write_gallery` wrote.

    Raises:
        FileFormatError: the file is missing, truncated or foreign, or a field does not fit.
    """
    arrays = read_arrays(path)
    for name, kind, ndim in (("parameters", "f", 1), ("stages", "i", 1), ("points", "f", 4)):
        array = arrays.get(name)
        if array is None or array.dtype.kind != kind or array.ndim != ndim:
            got = "nothing" if array is None else f"{array.dtype} with {array.ndim} axes"
            raise FileFormatError(
                f"{path}: {name}: expected dtype of kind {kind!r} with {ndim} axes, got {got}"
            )
    parameters, stages, points = (arrays[name] for name in ("parameters", "stages", "points"))
    if points.shape[:2] != (len(parameters), len(stages)):
        raise FileFormatError(
            f"{path}: points: expected shape ({len(parameters)}, {len(stages)}, n, d), "
            f"got {points.shape}"
        )
    if not np.isfinite(points).all():
        raise FileFormatError(f"{path}: points: expected finite values, got NaN or infinity")
    return {
        float(parameter): {int(stage): cloud for stage, cloud in zip(stages, row, strict=True)}
        for parameter, row in zip(parameters, points.astype(np.float64), strict=True)
    }
