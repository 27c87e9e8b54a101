"""One-step learned transport for particle systems, and exact optimal transport."""

from __future__ import annotations

import warnings

from twostep_rs import errors, ot, systems
from twostep_rs._core import build_info
from twostep_rs.threads import get_num_threads, set_num_threads

__version__: str = build_info()["version"]

__all__ = [
    "__version__",
    "build_info",
    "errors",
    "get_num_threads",
    "ot",
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
