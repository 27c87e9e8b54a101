"""Pairs of particle clouds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twostep_rs._arrays import as_points
from twostep_rs.errors import InputError, ShapeError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Cloud:
    """Particles before and after.

    Attributes:
        source: initial or prior particles, shape (n, d), float64.
        target: terminal particles, shape (m, d), float64; m = n where they are paired.
        paired: whether row i of ``target`` is where row i of ``source`` went.

    Raises:
        ShapeError: the shapes do not fit each other, or there are no particles.
        DtypeError: the entries are not real numbers.
        InputError: an entry is NaN or infinite.
    """

    source: NDArray[np.float64]
    target: NDArray[np.float64]
    paired: bool

    def __post_init__(self) -> None:
        for name in ("source", "target"):
            points = as_points(name, getattr(self, name))
            if not np.isfinite(points).all():
                raise InputError(f"{name}: expected finite values, got NaN or infinity")
            object.__setattr__(self, name, points)
        m, dim = self.target.shape
        if self.source.shape[1] != dim or (self.paired and self.source.shape[0] != m):
            expected = f"shape {self.source.shape if self.paired else ('m', self.source.shape[1])}"
            raise ShapeError(f"target: expected {expected}, got {self.target.shape}")

    @property
    def dim(self) -> int:
        """Number of coordinates of a particle."""
        return int(self.source.shape[1])
