"""Point files of users: ``.npy``, ``.npz`` or text."""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from twostep_rs._arrays import as_points
from twostep_rs.errors import FileFormatError, InputError
from twostep_rs.runs.clouds import write_cloud
from twostep_rs.runs.files import write_atomically
from twostep_rs.systems import Cloud

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def read_points(path: Path) -> NDArray[np.float64]:
    """Read points, shape (n, d), float64.

    Args:
        path: ``.npy``; ``.npz`` with an array ``target`` or one array alone; otherwise text with
            one point a line, columns separated by blanks or commas.

    Raises:
        FileFormatError: the file is missing or damaged, or holds no finite points.
    """
    try:
        array = _load(path)
    except OSError as error:
        raise FileFormatError(f"{path}: expected a file, got {error.strerror or error}") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"{path}: expected points, got {error}") from error
    try:
        points = as_points("points", array)
    except InputError as error:
        raise FileFormatError(f"{path}: {error}") from error
    if not np.isfinite(points).all():
        raise FileFormatError(f"{path}: points: expected finite values, got NaN or infinity")
    return points


def _load(path: Path) -> Any:
    if path.suffix not in (".npy", ".npz"):
        text = path.read_text(encoding="utf-8").replace(",", " ")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of an empty file, refused below
            return np.loadtxt(text.splitlines(), ndmin=2)
    with path.open("rb") as file:
        if path.suffix == ".npz":
            with zipfile.ZipFile(file):  # refuses what is no whole archive
                file.seek(0)
        loaded = np.load(file, allow_pickle=False)
        if path.suffix == ".npy":
            return loaded
        names = loaded.files
        if "target" in names:
            return loaded["target"]
        if len(names) == 1:
            return loaded[names[0]]
        msg = f"arrays {names}, none of them 'target'"
        raise ValueError(msg)


def write_points(
    path: Path, source: NDArray[np.float64], target: NDArray[np.float64], parameter: float
) -> None:
    """Write a cloud, as ``.npz`` with its source, or the target alone as ``.npy``.

    Raises:
        InputError: the name ends in neither.
        RunDirectoryError: there is no space or no permission.
    """
    if path.suffix == ".npz":
        write_cloud(path, Cloud(source, target, paired=True), parameter)
    elif path.suffix == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, target)
        write_atomically(path, buffer.getvalue())
    else:
        raise InputError(f"out: expected a name that ends in .npz or .npy, got {path.name}")
