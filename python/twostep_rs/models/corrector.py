"""The network of stage II: a near-identity residual map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from twostep_rs.models.features import Head, ParameterFeatures, Scaling, position_features
from twostep_rs.models.head import OutputLayer


class Corrector(nn.Module):
    r"""Deep Particle's map :math:`f_\phi(x, \sigma) = x + \alpha h_\phi(x, \sigma)`.

    A residual network with SiLU and LayerNorm. The last layer starts at zero, so that training
    starts at the identity.

    Args:
        scaling: where the training data lie.
        width: width of every block.
        depth: number of residual blocks, at least 1.
        head: how the parameter enters the output.
        alpha: factor of the correction.
        waves: octaves of waves of the positions among the inputs.
    """

    def __init__(
        self,
        scaling: Scaling,
        *,
        width: int,
        depth: int,
        head: Head,
        alpha: float,
        waves: int = 0,
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.positions = position_features(scaling, waves)
        self.parameter_features = ParameterFeatures(scaling, head=head)
        self.inputs = nn.Linear(self.positions.width + self.parameter_features.width, width)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(depth))
        self.head = OutputLayer(width, scaling.dim, head=head, gain=0.0)

    def forward(
        self, x: Tensor, at: Tensor, parameter: Tensor, seen: Tensor | None = None
    ) -> Tensor:
        """Corrected positions, (n, d).

        Args:
            x: positions, (n, d).
            at: where the correction is evaluated, (n, d): the positions themselves, or the source
                particles that they come from.
            parameter: physical parameters, (n, 1).
            seen: what the trunk sees in their place, (n, 1); the head gets the true ones.
        """
        condition = self.parameter_features(parameter if seen is None else seen)
        features = torch.cat([self.positions(at), condition], dim=1)
        features = self.inputs(features)
        for block in self.blocks:
            features = block(features)
        correction: Tensor = self.head(features, self.parameter_features.relative(parameter))
        return x + self.alpha * self.positions.scale * correction


class ResidualBlock(nn.Module):
    """``x + W silu(layernorm(x))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map features of shape (n, width) to the same shape."""
        outputs: Tensor = x + self.linear(functional.silu(self.norm(x)))
        return outputs
