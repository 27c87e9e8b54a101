"""The equations of the Keller-Segel particles in plain float64 NumPy, on (n, n) arrays."""

from __future__ import annotations

import itertools

import numpy as np


def force_magnitude(kernel: str, r: np.ndarray, delta: float) -> np.ndarray:
    """d/dr of K_delta / C: positive where it attracts."""
    b = r**2 + delta**2
    match kernel:
        case "printed" | "literal":
            return (r**2 - delta**2) / b**2
        case "blob":
            return 1.0 / b
        case "plummer":
            return r / b**1.5
        case "green4d":
            return 2.0 * r / b**2
    raise AssertionError(kernel)


def chemotaxis(x, kernel: str, delta: float, prefactor: float) -> np.ndarray:
    """-prefactor / n sum_i grad K_delta(x_j - x_i) / C; the gradient at 0 is taken as 0."""
    n = len(x)
    result = np.empty_like(x)
    for j in range(n):  # row by row: the whole (n, n, d) array would not fit for large n
        offset = x[j] - x
        r = np.sqrt((offset**2).sum(1))
        distinct = r > 0
        unit = offset[distinct] / r[distinct, None]
        magnitude = force_magnitude(kernel, r[distinct], delta)
        result[j] = -prefactor / n * (magnitude[:, None] * unit).sum(0)
    return result


def flow_velocity(x, flow: str, sigma: float) -> np.ndarray:
    v = np.zeros_like(x)
    if flow == "laminar":
        v[:, 0] = sigma * np.exp(-(x[:, 1:] ** 2).sum(1))
    else:
        v[:] = sigma * np.sin(2 * np.pi * x[:, [2, 0, 1]])
    return v


def attraction(ks, x) -> np.ndarray:
    c = ks.constants
    return chemotaxis(x, c.kernel, c.delta, c.chi * c.total_mass * c.kernel_constant)


def drift(ks, x, sigma: float) -> np.ndarray:
    return attraction(ks, x) + flow_velocity(x, ks.flow, sigma)


def heun(b, x, h: float) -> np.ndarray:
    k1 = b(x)
    return x + h / 2 * (k1 + b(x + h * k1))


def simulate_split(ks, x, sigma: float, kick_every: int) -> np.ndarray:
    """Strang splitting, half a step of the attraction at both ends of every round."""
    c = ks.constants
    steps = c.steps * ks.substeps(sigma)
    h = c.duration / steps
    rounds = [min(kick_every, steps - k) for k in range(0, steps, kick_every)]
    # Neighbouring half steps are one, as in the core.
    ends = [0, *rounds, 0]
    kicks = [h * (before + after) / 2 for before, after in itertools.pairwise(ends)]
    for count, kick in zip([*rounds, 0], kicks, strict=True):
        x = heun(lambda y: attraction(ks, y), x, kick)
        for _ in range(count):
            x = heun(lambda y: flow_velocity(y, ks.flow, sigma), x, h)
    return x


def simulate_without_noise(ks, x, sigma: float) -> np.ndarray:
    c = ks.constants
    steps = c.steps * ks.substeps(sigma)
    h = c.duration / steps

    def b(y):
        return drift(ks, y, sigma)

    for _ in range(steps):
        k1 = b(x)
        if c.integrator == "euler":
            x = x + h * k1
        elif c.integrator == "heun":
            x = x + h / 2 * (k1 + b(x + h * k1))
        else:
            k2 = b(x + h / 2 * k1)
            k3 = b(x + h / 2 * k2)
            k4 = b(x + h * k3)
            x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x
