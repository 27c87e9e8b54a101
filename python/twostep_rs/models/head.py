"""Output layers: how the physical parameter enters beside the trunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from twostep_rs.models.features import Head


class OutputLayer(nn.Module):
    r"""Linear output that is constant or affine in the parameter.

    ``plain``: :math:`W f`. ``affine``: :math:`a + s b` with :math:`(a, b) = W f` and s the
    parameter relative to the training range; ``log-affine``: s is its logarithm. Displacements by
    a flow grow in proportion to its strength, so that the affine head extrapolates where the
    plain one saturates.

    Args:
        width: width of the trunk.
        dim: number of coordinates of the output.
        head: ``plain``, ``affine`` or ``log-affine``.
        gain: standard deviation of the initial weights times the root of ``width``; zero starts
            at zero.
    """

    def __init__(self, width: int, dim: int, *, head: Head, gain: float) -> None:
        super().__init__()
        self.affine = head != "plain"
        self.linear = nn.Linear(width, dim * (1 + self.affine))
        nn.init.normal_(self.linear.weight, std=gain * width**-0.5)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, relative: Tensor) -> Tensor:
        """Output of shape (n, dim) from features (n, width) and the relative parameter (n, 1)."""
        return self._mix(self.linear(features), relative)

    def tangent(self, features: Tensor, relative: Tensor) -> Tensor:
        """Tangent of the output for a tangent of the features; the parameter stands still."""
        return self._mix(features @ self.linear.weight.T, relative)

    def _mix(self, output: Tensor, relative: Tensor) -> Tensor:
        if not self.affine:
            return output
        constant, slope = output.chunk(2, dim=1)
        return constant + relative * slope
