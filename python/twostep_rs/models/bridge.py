"""Velocity and score of a Schroedinger bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from twostep_rs.models.generator import Generator
from twostep_rs.models.meanflow import AverageVelocity
from twostep_rs.models.velocity import Velocity

if TYPE_CHECKING:
    from twostep_rs.models.features import Head, Scaling

Sampler = Literal["euler", "adaptive", "sde"]


class BridgeFlow(Generator):
    r"""Particles along the flow of a bridge, or along its diffusion.

    Flow: :math:`\dot z = v_\theta(z, t)` from t = 1 to t = 0. Diffusion: with
    :math:`\tau = 1 - t`,
    :math:`dz = (-v_\theta + \tfrac12 \sigma_b^2 s_\theta) d\tau + \sigma_b dW`. Both have the
    same marginals.

    Args:
        scaling: where the training data lie.
        noise: the bridge's sigma_b, in units of positions.
        sampler: how particles go; only ``sde`` needs, and has, a network of the score.
        evaluations: steps by default.
        tolerance: of the adaptive solver.
        sphere: whether source particles are moved to the unit sphere first.
        width: width of every hidden layer.
        depth: number of hidden layers, at least 1.
        head: how the parameter enters the output.
        waves: octaves of waves of the positions among the inputs.
    """

    def __init__(
        self,
        scaling: Scaling,
        *,
        noise: float,
        sampler: Sampler,
        evaluations: int,
        tolerance: float,
        sphere: bool,
        width: int,
        depth: int,
        head: Head,
        waves: int = 0,
    ) -> None:
        super().__init__()
        self.scaling = scaling
        self.noise = noise
        self.sampler = sampler
        self.evaluations = evaluations
        self.random_paths = sampler == "sde"
        self.sphere = sphere
        self.flow = Velocity(
            scaling,
            width=width,
            depth=depth,
            head=head,
            waves=waves,
            solver="adaptive" if sampler == "adaptive" else "euler",
            evaluations=evaluations,
            tolerance=tolerance,
        )
        self.score = (
            AverageVelocity(scaling, width=width, depth=depth, head=head, waves=waves)
            if sampler == "sde"
            else None
        )

    def score_at(
        self, z: Tensor, t: Tensor, parameter: Tensor, seen: Tensor | None = None
    ) -> Tensor:
        r"""Gradient of the logarithm of the density, (n, d).

        The network has :math:`\tfrac12 \sigma_b^2` times it, which is as large as a velocity.
        """
        assert self.score is not None
        found: Tensor = self.score(z, t, torch.zeros_like(t), parameter, seen)
        return 2.0 / self.noise**2 * found

    @torch.no_grad()
    def transport(
        self,
        source: Tensor,
        parameter: Tensor,
        *,
        evaluations: int | None = None,
        random: torch.Generator | None = None,
    ) -> Tensor:
        """Carry source particles to the target; as for :class:`Generator`."""
        z = on_sphere(source) if self.sphere else source
        if self.sampler != "sde":
            return self.flow.transport(z, parameter, evaluations=evaluations)
        steps = self.evaluations if evaluations is None else evaluations
        spread = self.noise * steps**-0.5
        for k in range(steps, 0, -1):
            # Nothing was learned of the very end, where the score of a bridge has no bound.
            t = z.new_full((len(z), 1), min(k / steps, 1.0 - 0.5 / steps))
            drift = 0.5 * self.noise**2 * self.score_at(z, t, parameter)
            drift = drift - self.flow.velocity_at(z, t, parameter)
            z = z + drift / steps
            if k > 1:  # the last drift leads to where the bridge ends
                z = z + spread * torch.randn(z.shape, generator=random, device=z.device)
        return z


def on_sphere(points: Tensor) -> Tensor:
    """The points of the unit sphere in the direction of ``points``, (..., d)."""
    norm: Tensor = torch.linalg.vector_norm(points, dim=-1, keepdim=True)
    return points / norm.clamp_min(1e-12)
