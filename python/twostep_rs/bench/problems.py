"""Transport problems that benches and checks share: laws of two clouds, and masses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Cloud = NDArray[np.float64]
    #: Draws sources and targets, each of shape ``(n, dim)``.
    Law = Callable[[np.random.Generator, int, int], tuple[Cloud, Cloud]]

#: Extents of the axes of the law of core and halo.
_AXES = (1.6, 1.0, 0.7, 1.0)


def core_and_halo(rng: np.random.Generator, n: int, dim: int) -> Cloud:
    """Half the points in a narrow core, half in a wide halo."""
    width = np.where(rng.random(n) < 0.5, 0.15, 1.0)
    points: Cloud = rng.normal(size=(n, dim)) * width[:, None] * np.resize(_AXES, dim)
    return points


def near(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """Two independent draws of one law."""
    return core_and_halo(rng, n, dim), core_and_halo(rng, n, dim)


def far(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """A uniform cube, away from the target."""
    return rng.random((n, dim)) + 3.0 * np.eye(dim)[0], core_and_halo(rng, n, dim)


def blob(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """A round blob, as training begins with, against the target."""
    return 0.3 * rng.normal(size=(n, dim)), core_and_halo(rng, n, dim)


def jittered(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """A cloud against a shuffled copy of itself whose points have moved a little."""
    target = core_and_halo(rng, n, dim)
    return rng.permutation(target + 0.02 * rng.normal(size=target.shape)), target


def clusters(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """Two clusters with shares 70 and 30, and 30 and 70: most mass stays, some goes far."""
    source, target = (
        0.1 * rng.normal(size=(n, dim)) + 10.0 * (rng.random((n, 1)) < share)
        for share in (0.7, 0.3)
    )
    return source, target


def collapsed(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """Five modes, collapsed to points but for 1e-9, against a normal cloud."""
    modes = rng.normal(size=(5, dim))[rng.integers(0, 5, n)]
    return modes + 1e-9 * rng.normal(size=(n, dim)), rng.normal(size=(n, dim))


def shell_and_ball(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """A sphere against a narrow ball."""
    return _sphere(rng, n, dim), 0.3 * rng.normal(size=(n, dim))


def shells(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """Two spheres around one point."""
    return _sphere(rng, n, dim), 2.0 * _sphere(rng, n, dim)


def heavy_tails(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """Student's t with 1.2 degrees of freedom, which has no variance."""
    return rng.standard_t(1.2, size=(n, dim)), rng.standard_t(1.2, size=(n, dim))


def lattice(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """Points of a small lattice: whole numbers, with ties everywhere."""
    side = max(2, round((n / 2) ** (1 / dim)))
    source, target = rng.integers(0, side, (2, n, dim)).astype(float)
    return source, target


def collinear(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """Points of two lines."""
    lines = np.ones(dim), np.resize([1.0, -1.0, 2.0], dim)
    source, target = (rng.normal(size=(n, 1)) * line for line in lines)
    return source, target


def duplicates(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """Twenty places on each side."""
    source, target = (rng.normal(size=(20, dim))[rng.integers(0, 20, n)] for _ in range(2))
    return source, target


def one_target(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """All targets in one place."""
    return rng.random((n, dim)), np.zeros((n, dim))


def flat_and_thin(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """Axes whose extents differ by nine orders, and one of no extent."""
    scales = np.resize([1.0, 1.0, 0.0], dim), np.resize([1e-6, 1.0, 1e3], dim)
    source, target = (rng.normal(size=(n, dim)) * scale for scale in scales)
    return source, target


def far_and_tiny(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """A tiny cloud a thousand of the other's widths away."""
    return 1e3 + 1e-6 * rng.normal(size=(n, dim)), rng.normal(size=(n, dim))


def cubes(rng: np.random.Generator, n: int, dim: int) -> tuple[Cloud, Cloud]:
    """Two draws from the unit cube."""
    source, target = rng.random((2, n, dim))
    return source, target


#: Families on which solvers are slow, cycle or fail.
STRESS: dict[str, Law] = {
    "ties on a lattice": lattice,
    "clusters 70/30": clusters,
    "mode collapse": collapsed,
    "shell and ball": shell_and_ball,
    "two shells": shells,
    "heavy tails": heavy_tails,
    "collinear": collinear,
    "duplicates": duplicates,
}

#: All families.
FAMILIES: dict[str, Law] = {
    "near": near,
    "far": far,
    "blob": blob,
    "jittered": jittered,
    **STRESS,
    "one target": one_target,
    "flat and thin": flat_and_thin,
    "far and tiny": far_and_tiny,
    "cubes": cubes,
}


def masses(rng: np.random.Generator, n: int, kind: str) -> Cloud:
    """Masses of total one.

    Args:
        rng: what to draw with.
        n: how many.
        kind: "random", "counts" (one to five units each), "zeros" (half of them) or "spread" (over
            many orders).

    Returns:
        ``(n,)``.
    """
    match kind:
        case "random":
            mass = rng.random(n)
        case "counts":
            mass = rng.integers(1, 6, n).astype(float)
        case "zeros":
            mass = rng.random(n) * (rng.random(n) < 0.5)
            mass[rng.integers(n)] = 1.0
        case "spread":
            mass = np.exp(6.0 * rng.normal(size=n))
        case _:
            raise AssertionError(kind)
    mass /= mass.sum()
    return mass


def spacing(x: Cloud) -> float:
    """Median distance of a point to its nearest neighbour, from 200 points."""
    sample = x[: min(len(x), 200)]
    squared = ((sample[:, None] - x[None]) ** 2).sum(axis=-1)
    return float(np.median(np.sqrt(np.partition(squared, 1, axis=1)[:, 1])))


def moved(rng: np.random.Generator, x: Cloud, share: float) -> Cloud:
    """The cloud after a random step of ``share`` of its spacing, in the root of the mean square."""
    step = share * spacing(x) / np.sqrt(x.shape[1])
    after: Cloud = x + step * rng.normal(size=x.shape)
    return after


def squared_distances(x: Cloud, y: Cloud, period: float | None = None) -> Cloud:
    """Costs of all pairs, ``(n, m)``, one axis after another, without cancellation."""
    costs = np.zeros((len(x), len(y)))
    for axis in range(x.shape[1]):
        gap = np.abs(x[:, axis, None] - y[None, :, axis])
        if period is not None:
            gap %= period
            gap = np.minimum(gap, period - gap)
        costs += gap**2
    return costs


def _sphere(rng: np.random.Generator, n: int, dim: int) -> Cloud:
    points = rng.normal(size=(n, dim))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points
