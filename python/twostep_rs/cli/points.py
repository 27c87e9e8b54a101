"""``twostep w2``: the distance between two files of points."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from twostep_rs import ot
from twostep_rs.errors import ConfigError
from twostep_rs.runs.points import read_points

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class W2:
    """Exact W2 between two point files, with its certificate.

    Files: .npy of shape (n, d); .npz with an array target; or text, one point a line, columns
    separated by blanks or commas.

    Example: twostep w2 runs/demo/clouds/15.0.npz runs/demo/clouds/150.0.npz --bins 24

    Attributes:
        a: the first file.
        b: the second file, the reference of the box.
        bins: cells per axis; without it the distance is between the clouds themselves.
        box: where the histograms lie, with --bins.
        period: of every axis, or of all, where points live on a torus.
        threads: number of threads; all cores by default.
    """

    a: tyro.conf.Positional[Path]
    b: tyro.conf.Positional[Path]
    bins: int | None = None
    box: Literal["reference", "joint"] = "reference"
    period: tuple[float, ...] = ()
    threads: int | None = None

    def run(self) -> None:
        """Solve and print."""
        x, y = read_points(self.a), read_points(self.b)
        if x.shape[1] != y.shape[1]:
            raise ConfigError(f"{self.b}: expected {x.shape[1]} columns, got {y.shape[1]}")
        start = time.perf_counter()
        lines = self._exact(x, y) if self.bins is None else self._histogram(x, y, self.bins)
        lines["seconds"] = f"{time.perf_counter() - start:.3f}"
        width = max(map(len, lines))
        for name, value in lines.items():
            print(f"{name:<{width}}  {value}")

    def _exact(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> dict[str, str]:
        plan = ot.emd(x, y, period=self._period(x.shape[1]), threads=self.threads)
        return {
            "points": f"{len(x)} and {len(y)} in {x.shape[1]} dimensions",
            "W2 squared": f"{plan.cost:.12g}",
            "W2": f"{plan.w2:.12g}",
            **_certificate(plan.gap, plan.max_violation, plan.cost_scale),
        }

    def _histogram(
        self, x: NDArray[np.float64], y: NDArray[np.float64], bins: int
    ) -> dict[str, str]:
        found = ot.histogram_w2(
            x,
            y,
            bins=bins,
            box=self.box,
            period=self._period(x.shape[1]),
            threads=self.threads,
        )
        return {
            "points": f"{len(x)} and {len(y)} in {x.shape[1]} dimensions",
            "occupied cells": f"{found.occupied[0]} and {found.occupied[1]}",
            "W2 squared": f"{found.w2_squared:.12g}",
            "W2": f"{found.w2:.12g}",
            **_certificate(found.gap, found.max_violation, found.cost_scale),
        }

    def _period(self, dim: int) -> list[float] | None:
        if not self.period:
            return None
        periods = list(self.period)
        return periods * dim if len(periods) == 1 else periods


def _certificate(gap: float, max_violation: float, cost_scale: float) -> dict[str, str]:
    return {
        "duality gap": f"{gap:.1e}",
        "largest dual violation": f"{max_violation:.1e} (costs up to {cost_scale:.3g})",
    }
