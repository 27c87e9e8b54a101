"""One-step learned transport for particle systems, and exact optimal transport."""

from __future__ import annotations

from twostep_rs import errors, ot
from twostep_rs._core import build_info

__version__: str = build_info()["version"]

__all__ = ["__version__", "build_info", "errors", "ot"]
