"""Versions and machine, for ``twostep info``, ``status.json`` and the report."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

from twostep_rs._core import build_info
from twostep_rs.threads import get_num_threads

_PACKAGES = ("numpy", "torch", "safetensors", "matplotlib", "tyro", "rich")


def environment() -> dict[str, Any]:
    """What the results of this process depend on.

    torch and its devices are described where torch is imported already; this function does not
    import it.
    """
    build = build_info()
    described = {
        "twostep_rs": build["version"],
        "build": build["profile"],
        "simd": build["simd"],
        "threads": get_num_threads(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        **{name: _version(name) for name in _PACKAGES},
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        described["torch_threads"] = torch.get_num_threads()
        described["gpu"] = _gpus(torch)
    return described


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _gpus(torch: Any) -> str | None:
    if not torch.cuda.is_available():
        return None
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return f"{', '.join(names)} (CUDA {torch.version.cuda})"
