r"""Guidance of a conditional flow: by velocities or by distributions (W-Flow, figure 8).

The page shows both without their formulas. Ours, for a class c of the law p and strength w:
velocity guidance extrapolates the velocity, :math:`V_c + w (V_c - V_p)` with the flows toward the
class and toward the whole law; distribution guidance mixes particles of the whole law among
the generated ones, so that :math:`(q + w p) / (1 + w)` flows to the class and q rests where
it is :math:`(1 + w) p_c - w p` as far as that is positive.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from twostep_rs.gradient_flows.entropic import Pairs, iterated
from twostep_rs.training.seeds import generator

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.reproduce.job import Place

#: Kinds of guidance.
KINDS = ("velocity", "distribution")

_EPSILON = 0.02
_ITERATIONS = 20
_STEP = 0.5
# Two classes that overlap; the guided one is the first.
_CENTRES = torch.tensor([[-0.5, 0.0], [0.5, 0.0]], dtype=torch.float64)
_DEVIATION = 0.5


def study(
    place: Place,
    *,
    seed: int,
    particles: int,
    steps: int,
    strengths: list[float],
    device: str = "cpu",
) -> dict[str, Any]:
    """Flow particles to one of two classes with every guidance and strength.

    Args:
        place: not used.
        seed: of the particles.
        particles: of each cloud.
        steps: of each flow.
        strengths: w.
        device: where to flow.

    Returns:
        A list ``rows``: guidance, strength, the share of particles nearer to the class than to the
        other, their deviation relative to that of the class, the share beyond three
        deviations of its centre, and ``points``.
    """
    del place
    random = generator(seed, "guidance", device="cpu")

    def normal() -> Tensor:
        return torch.randn(1, particles, 2, generator=random, dtype=torch.float64)

    own = _CENTRES[0] + _DEVIATION * normal()
    labels = torch.arange(particles) % 2
    everyone = _CENTRES[labels] + _DEVIATION * normal()
    start = normal()
    own, everyone = own.to(device), everyone.to(device)
    rows = []
    for kind in KINDS:
        for strength in strengths:
            x = start.to(device)
            for _ in range(steps):
                x = x + _STEP * _guided(kind, strength, x, own, everyone)
            rows.append({"guidance": kind, "strength": strength, **_summary(x[0].cpu())})
    return {"rows": rows}


def _guided(kind: str, strength: float, x: Tensor, own: Tensor, everyone: Tensor) -> Tensor:
    if kind == "velocity":
        toward_own = _displacement(x, own) - _displacement(x, x)
        toward_all = _displacement(x, everyone) - _displacement(x, x)
        return toward_own + strength * (toward_own - toward_all)
    if strength == 0.0:
        return _displacement(x, own) - _displacement(x, x)
    mixed = torch.cat([x, everyone], dim=1)
    masses = x.new_tensor([1.0, strength]) / ((1.0 + strength) * x.shape[1])
    logarithms = masses.log().repeat_interleave(x.shape[1])[None]
    both = _displacement(mixed, own, logarithms) - _displacement(
        mixed, mixed, logarithms, logarithms
    )
    return both[:, : x.shape[1]]


def _displacement(
    x: Tensor, y: Tensor, log_a: Tensor | None = None, log_b: Tensor | None = None
) -> Tensor:
    # The scale of both classes, the same for all clouds.
    epsilon = x.new_tensor([_EPSILON])
    pairs = Pairs(x, y, epsilon, log_a=log_a, log_b=log_b)
    return pairs.pull(iterated(pairs, _ITERATIONS)).displacement


def _summary(x: Tensor) -> dict[str, Any]:
    distance = torch.cdist(x, _CENTRES)
    return {
        "own_side": float((distance[:, 0] < distance[:, 1]).double().mean()),
        "deviation": float(x.var(dim=0).mean().sqrt()) / _DEVIATION,
        "far": float((distance[:, 0] > 3.0 * _DEVIATION).double().mean()),
        "shift": math.dist(x.mean(dim=0).tolist(), _CENTRES[0].tolist()),
        "points": x.tolist(),
    }
