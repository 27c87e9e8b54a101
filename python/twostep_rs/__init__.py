"""One-step learned transport for particle systems, and exact optimal transport."""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

from twostep_rs import errors, ot, systems
from twostep_rs._core import build_info
from twostep_rs.resampling import log_mean_weight, resample
from twostep_rs.threads import get_num_threads, set_num_threads

if TYPE_CHECKING:
    from twostep_rs.config import Config
    from twostep_rs.training.fit import fit
    from twostep_rs.training.model import TwoStepModel, load

__version__: str = build_info()["version"]

__all__ = [
    "Config",
    "TwoStepModel",
    "__version__",
    "build_info",
    "errors",
    "fit",
    "get_num_threads",
    "load",
    "log_mean_weight",
    "ot",
    "resample",
    "set_num_threads",
    "systems",
]

if build_info()["profile"] == "debug":
    warnings.warn(
        "twostep_rs: this is a debug build, many times slower than a release build; build it with "
        "`maturin develop --release`",
        RuntimeWarning,
        stacklevel=2,
    )

# Names whose modules import torch, or that few sessions need: loaded when they are first used.
_LAZY = {
    "Config": "twostep_rs.config",
    "TwoStepModel": "twostep_rs.training.model",
    "fit": "twostep_rs.training.fit",
    "load": "twostep_rs.training.model",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
