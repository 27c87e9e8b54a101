"""How far the explicit flow moves particles from an oval to a circle (W-Flow, figure 5a)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from twostep_rs import ot
from twostep_rs.gradient_flows.particles import flow
from twostep_rs.gradient_flows.velocity import Field
from twostep_rs.systems import Oval
from twostep_rs.training.seeds import derive

if TYPE_CHECKING:
    from twostep_rs.reproduce.job import Place

# Of few particles, which have no second batch; the epsilon is that of the generator's training.
_FIELD = Field(self_transport="one-batch", epsilons=(0.01,), iterations=20)
_STEP = 0.2
_SHOWN = 300


def study(place: Place, *, seed: int, particles: int, steps: int) -> dict[str, Any]:
    """Flow particles of the oval to as many of the circle, without a network.

    Args:
        place: not used.
        seed: of the particles.
        particles: of each cloud.
        steps: of the flow, of size 0.2.

    Returns:
        ``move``, the mean squared move of the particles; ``least``, that of an exact plan between
        both clouds; ``distance``, W2 squared to the targets at the end; ``source`` and ``images``
        to show.
    """
    del place
    cloud = Oval().simulate(1.0, n=particles, seed=derive(seed, "oval"))
    x, y = (torch.from_numpy(points)[None] for points in (cloud.source, cloud.target))
    *_, last = flow(x, y, _FIELD, steps=steps, step_size=_STEP)
    return {
        "move": float((last - x).square().sum(dim=2).mean()),
        "least": ot.emd(cloud.source, cloud.target).cost,
        "distance": ot.emd(last[0], y[0]).cost,
        "source": x[0, :_SHOWN].tolist(),
        "images": last[0, :_SHOWN].tolist(),
    }
