"""A generator of one evaluation that starts at the identity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from twostep_rs.models.corrector import Corrector
from twostep_rs.models.generator import Generator

if TYPE_CHECKING:
    from twostep_rs.models.features import Head, Scaling


class Displacement(Generator):
    r"""The map :math:`g_\theta(s, \sigma) = s + h_\theta(s, \sigma)` of source particles.

    Its residual network is that of stage II. The last layer starts at zero: training starts where
    the particles do.

    Args:
        scaling: where the training data lie.
        width: width of every block.
        depth: number of residual blocks, at least 1.
        head: how the parameter enters the output.
        waves: octaves of waves of the positions among the inputs.
    """

    def __init__(
        self, scaling: Scaling, *, width: int, depth: int, head: Head, waves: int = 0
    ) -> None:
        super().__init__()
        self.scaling = scaling
        self.residual = Corrector(
            scaling, width=width, depth=depth, head=head, alpha=1.0, waves=waves
        )

    def forward(self, source: Tensor, parameter: Tensor, seen: Tensor | None = None) -> Tensor:
        """Particles, (n, d).

        Args:
            source: source particles, (n, d).
            parameter: physical parameters, (n, 1).
            seen: what the trunk sees in their place, (n, 1); the head gets the true ones.
        """
        moved: Tensor = self.residual(source, source, parameter, seen)
        return moved

    @torch.no_grad()
    def transport(
        self,
        source: Tensor,
        parameter: Tensor,
        *,
        evaluations: int | None = None,
        random: torch.Generator | None = None,
    ) -> Tensor:
        """As for every generator; there is one evaluation, and no noise."""
        del evaluations, random
        moved: Tensor = self(source, parameter)
        return moved
