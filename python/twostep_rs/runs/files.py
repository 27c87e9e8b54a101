"""Files that are whole or not there."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from twostep_rs.errors import FileFormatError, RunDirectoryError

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` beside ``path`` and rename it, so that no reader sees half of it.

    Raises:
        RunDirectoryError: there is no space or no permission.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise RunDirectoryError(unwritable(path, error)) from error


def unwritable(path: Path, error: OSError) -> str:
    """The message for a file or directory that cannot be written."""
    return f"{path}: expected to write here, got {error.strerror or error}"


def write_json(path: Path, document: object) -> None:
    """Write a JSON document atomically.

    Raises:
        RunDirectoryError: as for :func:`write_atomically`.
    """
    write_atomically(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        FileFormatError: there is no such file, or it holds something else.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise FileFormatError(f"{path}: expected a file, got {error.strerror}") from error
    except ValueError as error:
        raise FileFormatError(f"{path}: expected JSON, got a file with {error}") from error
    if not isinstance(document, dict):
        raise FileFormatError(f"{path}: expected a JSON object, got {type(document).__name__}")
    return document


def take(path: Path, mapping: object, key: str, kind: type | tuple[type, ...]) -> Any:
    """The value of ``key`` if it has the right type.

    Raises:
        FileFormatError: it is missing or of another type; the message names file and field.
    """
    value = mapping.get(key) if isinstance(mapping, dict) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        names = " or ".join(k.__name__ for k in kinds)
        raise FileFormatError(f"{path}: {key}: expected {names}, got {value!r}")
    return value
