"""Solutions on disk, so that each is computed once.

One file a solution in the cache directory of the user, or in ``TWOSTEP_CACHE_DIR``. A file that is
damaged or of another version counts as missing and is written anew; a directory that cannot be
written is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sys
import uuid
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twostep_rs.systems.kpp_reference.eigen import Leading

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Raise it whenever the numbers that are computed change.
_VERSION = 1


def directory() -> Path:
    """Where the files are."""
    if chosen := os.environ.get("TWOSTEP_CACHE_DIR"):
        return Path(chosen)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "twostep_rs"


def read(key: str, modes: int) -> Leading | None:
    """The solution that was written for ``key``, with ``modes`` coefficients, if there is one."""
    try:
        with (
            zipfile.ZipFile(_path(key)),
            np.load(_path(key), allow_pickle=False) as archive,
        ):
            arrays = {name: archive[name] for name in ("key", "numbers", "vector")}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    numbers, vector = arrays["numbers"], arrays["vector"]
    if (
        arrays["key"].shape != ()
        or str(arrays["key"]) != _versioned(key)
        or not _fits(numbers, (2,), np.float64)
        or not _fits(vector, (modes,), np.complex128)
    ):
        return None
    return Leading(float(numbers[0]), float(numbers[1]), vector)


def write(key: str, solution: Leading) -> None:
    """Keep a solution."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        key=np.array(_versioned(key)),
        numbers=np.array([solution.growth, solution.relaxation]),
        vector=solution.vector,
    )
    path = _path(key)
    # Hosts that share a directory may have processes of one number.
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(buffer.getvalue())
        partial.replace(path)


def _path(key: str) -> Path:
    name = hashlib.sha256(_versioned(key).encode()).hexdigest()[:32]
    return directory() / "kpp-reference" / f"{name}.npz"


def _versioned(key: str) -> str:
    return f"kpp reference {_VERSION}: {key}"


def _fits(array: NDArray[np.generic], shape: tuple[int, ...], dtype: type) -> bool:
    return array.shape == shape and array.dtype == dtype and bool(np.isfinite(array).all())
