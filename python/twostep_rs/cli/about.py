"""``twostep info`` and ``twostep cite``."""

from __future__ import annotations

import contextlib
import importlib.resources
from dataclasses import dataclass

from twostep_rs.runs.environment import environment


@dataclass(frozen=True)
class Info:
    """Version, build, SIMD, threads, torch and GPU.

    Example: twostep info
    """

    def run(self) -> None:
        """Print one line for each."""
        with contextlib.suppress(ImportError):
            import torch  # noqa: F401 - what it sees of GPUs only it can say
        described = environment()
        width = max(map(len, described))
        for name, value in described.items():
            print(f"{name:<{width}}  {'none' if value is None else value}")


@dataclass(frozen=True)
class Cite:
    """BibTeX of this software and of the methods it uses.

    Example: twostep cite >> references.bib
    """

    def run(self) -> None:
        """Print the entries."""
        entries = importlib.resources.files("twostep_rs") / "references.bib"
        print(entries.read_text(encoding="utf-8"), end="")
