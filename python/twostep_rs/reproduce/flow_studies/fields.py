"""Where velocity fields lead: W-Flow and drifting at the same particles (W-Flow, figure 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from twostep_rs.gradient_flows.drifting import Drift
from twostep_rs.gradient_flows.velocity import Field, exact_displacement
from twostep_rs.systems import Imbalanced
from twostep_rs.training.seeds import derive

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.gradient_flows.velocity import Velocity
    from twostep_rs.reproduce.job import Place

_SHOWN = 150


def study(place: Place, *, seed: int, particles: int) -> dict[str, Any]:
    """Both fields at particles of N(0, I), with the law of imbalanced modes as the target.

    Args:
        place: not used.
        seed: of the particles.
        particles: and their targets.

    Returns:
        By method: ``alignment``, the mean cosine between the field and the way to the exact
        partner; ``common`` and ``rare``, how much of that way it goes at particles whose partners
        belong to the common and to the rare modes; ``arrows`` to show. With the ``targets``.
    """
    del place
    problem = Imbalanced()
    x, twin = (
        torch.from_numpy(problem.prior(particles, derive(seed, "fields", k)))[None] for k in (0, 1)
    )
    y = torch.from_numpy(problem.simulate(1.0, n=particles, seed=derive(seed, "fields", 2)).target)
    exact = exact_displacement(x, y[None])[0]
    common = int((problem.masses == problem.masses.max()).sum())
    rare = torch.from_numpy(problem.modes(x[0] + exact) >= common)
    fields: dict[str, Velocity] = {
        "w-flow": Field(iterations=50),
        "drifting": Drift(),
    }
    found: dict[str, Any] = {"targets": y[:_SHOWN].tolist()}
    for name, field in fields.items():
        velocity = field.velocity(x, twin, y[None])[0]
        found[name] = {
            "alignment": float(torch.cosine_similarity(velocity, exact, dim=1).mean()),
            "common": _share(velocity[~rare], exact[~rare]),
            "rare": _share(velocity[rare], exact[rare]),
            "arrows": torch.cat([x[0], velocity], dim=1)[:_SHOWN].tolist(),
        }
    return found


def _share(velocity: Tensor, way: Tensor) -> float:
    """How much of its way every particle goes, the mean weighted by squared lengths."""
    return float((velocity * way).sum() / way.square().sum())
