"""The command ``twostep``."""

from __future__ import annotations

from twostep_rs.cli.main import main

__all__ = ["main"]
