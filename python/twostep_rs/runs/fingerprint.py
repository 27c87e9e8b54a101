"""Short texts that stand for everything that a result depends on."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from twostep_rs._core import build_info

if TYPE_CHECKING:
    from pathlib import Path


def fingerprint(*parts: object) -> str:
    """A short text that stands for this version and the parts, each of what JSON can hold."""
    parts = build_info()["version"], *parts
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def of_file(path: Path) -> str:
    """What stands for the content of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
