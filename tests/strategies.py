"""Hypothesis strategies: transport problems of every awkward kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st


@dataclass(frozen=True)
class Problem:
    """A transport problem between weighted points; ``period`` says whether it is on a torus."""

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray | None
    b: np.ndarray | None
    period: float | None

    def costs(self) -> np.ndarray:
        gap = np.abs(self.x[:, None, :] - self.y[None, :, :])
        if self.period is not None:
            gap = np.mod(gap, self.period)
            gap = np.minimum(gap, self.period - gap)
        return (gap**2).sum(axis=-1)

    def masses(self) -> tuple[np.ndarray, np.ndarray]:
        n, m = len(self.x), len(self.y)
        return (
            np.full(n, 1 / n) if self.a is None else self.a,
            np.full(m, 1 / m) if self.b is None else self.b,
        )


def _cloud(rng: np.random.Generator, n: int, dim: int, kind: str) -> np.ndarray:
    match kind:
        case "normal":
            return rng.normal(size=(n, dim))
        case "lattice":
            return rng.integers(0, 4, size=(n, dim)).astype(float)
        case "duplicates":
            return rng.normal(size=(max(1, n // 5), dim))[rng.integers(0, max(1, n // 5), n)]
        case "collinear":
            return rng.normal(size=(n, 1)) * np.arange(1.0, dim + 1)
        case "heavy-tails":
            return rng.standard_t(1.2, size=(n, dim))
        case "clusters":
            return rng.normal(size=(n, dim)) * 0.01 + 10.0 * (rng.random((n, 1)) < 0.7)
        case "far":
            return rng.normal(size=(n, dim)) + 1e3
    raise AssertionError(kind)


KINDS = ("normal", "lattice", "duplicates", "collinear", "heavy-tails", "clusters", "far")


def _masses(rng: np.random.Generator, n: int, kind: str) -> np.ndarray:
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
    return mass / mass.sum()


@st.composite
def problems(draw: st.DrawFn, max_size: int = 200, dims: tuple[int, ...] = (1, 2, 3, 4)) -> Problem:
    """Sizes 1..max_size, ties, duplicates, zero masses, general weights, tori."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dim = draw(st.sampled_from(dims))
    n = draw(st.integers(1, max_size))
    m = draw(st.one_of(st.just(n), st.integers(1, max_size)))
    x = _cloud(rng, n, dim, draw(st.sampled_from(KINDS)))
    y = _cloud(rng, m, dim, draw(st.sampled_from(KINDS)))
    weights = draw(st.sampled_from(("uniform", "random", "counts", "zeros", "spread")))
    a = b = None
    if weights != "uniform":
        a, b = _masses(rng, n, weights), _masses(rng, m, weights)
    period = draw(st.sampled_from((None, None, 1.0, 2.5)))
    return Problem(x, y, a, b, period)
