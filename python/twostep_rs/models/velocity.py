"""The velocity of a flow, whose samples are solutions of an ordinary differential equation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from twostep_rs.models.meanflow import AverageVelocity
from twostep_rs.models.ode import adaptive, euler

if TYPE_CHECKING:
    from twostep_rs.models.features import Head, Scaling

Solver = Literal["euler", "adaptive"]


class Velocity(AverageVelocity):
    r"""The velocity :math:`v_\theta(z, t, \sigma)`: the average velocity over no interval at all.

    The network is that of MeanFlow, so that methods differ in what they learn alone. Time runs
    from the target at t = 0 to the source at t = 1.

    Args:
        scaling: where the training data lie.
        width: width of every hidden layer.
        depth: number of hidden layers, at least 1.
        head: how the parameter enters the output.
        waves: octaves of waves of the positions among the inputs.
        solver: Euler's method in equal steps, or steps that adapt to a tolerance.
        evaluations: steps of Euler's method by default.
        tolerance: of the adaptive solver.
    """

    def __init__(
        self,
        scaling: Scaling,
        *,
        width: int,
        depth: int,
        head: Head,
        waves: int = 0,
        solver: Solver = "euler",
        evaluations: int = 100,
        tolerance: float = 1e-4,
    ) -> None:
        super().__init__(scaling, width=width, depth=depth, head=head, waves=waves)
        self.solver = solver
        self.evaluations = evaluations
        self.tolerance = tolerance

    def velocity_at(
        self, z: Tensor, t: Tensor, parameter: Tensor, seen: Tensor | None = None
    ) -> Tensor:
        """Velocity, (n, d); arguments as for :meth:`AverageVelocity.forward`."""
        found: Tensor = self(z, t, torch.zeros_like(t), parameter, seen)
        return found

    @torch.no_grad()
    def transport(
        self,
        source: Tensor,
        parameter: Tensor,
        *,
        evaluations: int | None = None,
        random: torch.Generator | None = None,
    ) -> Tensor:
        """Follow the flow from t = 1 to t = 0; as for :class:`Generator`.

        A number of evaluations asks for as many steps of Euler's method.
        """
        del random

        def velocity(z: Tensor, t: Tensor) -> Tensor:
            return self.velocity_at(z, t, parameter)

        if self.solver == "adaptive" and evaluations is None:
            return adaptive(velocity, source, self.tolerance)
        return euler(velocity, source, self.evaluations if evaluations is None else evaluations)
