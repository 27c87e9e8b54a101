"""Records that the page of benchmarks is made of."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read(file: Path) -> dict[str, Any]:
    """A record."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def machine_of(machine: Mapping[str, Any]) -> str:
    """Processor, cores and GPU."""
    gpu = str(machine.get("gpu") or "").partition(" (")[0]
    return ", ".join(filter(None, [machine["processor"], f"{machine['cores']} cores", gpu]))
