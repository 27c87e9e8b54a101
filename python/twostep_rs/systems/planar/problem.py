"""What planar problems have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from twostep_rs._arrays import as_points
from twostep_rs._scalars import as_integer, as_real
from twostep_rs.errors import ShapeError
from twostep_rs.systems.cloud import Cloud
from twostep_rs.systems.protocol import Domain

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_LARGEST_SEED = 2**64 - 1


class _Stream(IntEnum):
    """What random numbers are drawn for."""

    SOURCE = 0
    TARGET = 1


class PlanarProblem(ABC):
    """A source law and a target law in the plane; particles of both are independent.

    It is a particle system whose law does not depend on the parameter. Draws are a function of the
    seed alone (Philox), each purpose with a stream of its own.
    """

    @property
    def dim(self) -> int:
        """Two coordinates."""
        return 2

    @property
    def domain(self) -> Domain:
        """Free space."""
        return Domain()

    def prior(self, n: int, seed: int) -> NDArray[np.float64]:
        """Draw ``n`` source particles, shape (n, 2)."""
        return self._sources(_count(n), _random(seed, _Stream.SOURCE))

    def simulate(
        self, parameter: float, /, n: int, seed: int, source: ArrayLike | None = None
    ) -> Cloud:
        """Draw ``n`` target particles, which do not belong to those of the source.

        Args:
            parameter: any number.
            n: number of particles.
            seed: of the draw, from 0 to 2^64 - 1.
            source: source particles, (n, 2); drawn from the prior by default.

        Raises:
            InputError: an argument out of range.
            ShapeError: ``source`` has not the shape (n, 2).
        """
        as_real("parameter", parameter)
        targets = self._targets(_count(n), _random(seed, _Stream.TARGET))
        if source is None:
            return Cloud(self.prior(n, seed), targets, paired=False)
        points = as_points("source", source)
        if points.shape != targets.shape:
            raise ShapeError(f"source: expected shape {targets.shape}, got {points.shape}")
        return Cloud(points, targets, paired=False)

    def _sources(self, n: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Standard normal particles."""
        return random.standard_normal((n, 2))

    @abstractmethod
    def _targets(self, n: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Particles of the target law, (n, 2)."""


class Mixture(PlanarProblem):
    """A target law of Gaussians with one deviation.

    Attributes:
        centres: of the modes, (k, 2).
        masses: of the modes, (k,), of total one.
        deviation: standard deviation of every mode and axis.
    """

    centres: NDArray[np.float64]
    masses: NDArray[np.float64]
    deviation: float

    def modes(self, points: ArrayLike) -> NDArray[np.int64]:
        """The mode whose centre is nearest, for every point, (n,).

        Args:
            points: (n, 2).
        """
        gaps = as_points("points", points)[:, None] - self.centres
        nearest: NDArray[np.int64] = np.square(gaps).sum(axis=2).argmin(axis=1)
        return nearest

    def found_masses(self, points: ArrayLike) -> NDArray[np.float64]:
        """Share of the points that is nearest to each centre, (k,).

        Args:
            points: (n, 2).
        """
        modes = self.modes(points)
        return np.bincount(modes, minlength=len(self.masses)) / len(modes)

    def _targets(self, n: int, random: np.random.Generator) -> NDArray[np.float64]:
        mode = random.choice(len(self.masses), size=n, p=self.masses)
        return self.centres[mode] + self.deviation * random.standard_normal((n, 2))


def ring(k: int, radius: float) -> NDArray[np.float64]:
    """``k`` points on a circle around the origin, (k, 2), from the first axis on."""
    angles = 2.0 * np.pi * np.arange(k) / k
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _count(n: int) -> int:
    return as_integer("n", n, low=1)


def _random(seed: int, stream: _Stream) -> np.random.Generator:
    seed = as_integer("seed", seed, low=0, high=_LARGEST_SEED)
    key = np.array([seed, stream], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
