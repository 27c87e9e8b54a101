"""Output layers: how the physical parameter enters beside the trunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from twostep_rs.models.features import Head


_DEGREES = {"plain": 0, "affine": 1, "log-affine": 1, "quadratic": 2}


class OutputLayer(nn.Module):
    r"""Linear output that is a polynomial in the parameter.

    ``plain``: :math:`W f`. ``affine``: :math:`a + s b` with :math:`(a, b) = W f` and s the
    parameter relative to the training range; ``log-affine``: s is its logarithm; ``quadratic``:
    :math:`a + s b + s^2 c`. Displacements by a flow grow in proportion to its strength, so that
    the affine head extrapolates where the plain one saturates; the quadratic one follows paths
    that bend.

    Args:
        width: width of the trunk.
        dim: number of coordinates of the output.
        head: the polynomial by its name.
        gain: standard deviation of the initial weights times the root of ``width``; zero starts
            at zero.
    """

    def __init__(self, width: int, dim: int, *, head: Head, gain: float) -> None:
        super().__init__()
        self.degree = _DEGREES[head]
        self.linear = nn.Linear(width, dim * (1 + self.degree))
        nn.init.normal_(self.linear.weight, std=gain * width**-0.5)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, relative: Tensor) -> Tensor:
        """Output of shape (n, dim) from features (n, width) and the relative parameter (n, 1)."""
        return self._mix(self.linear(features), relative)

    def tangent(self, features: Tensor, relative: Tensor) -> Tensor:
        """Tangent of the output for a tangent of the features; the parameter stands still."""
        return self._mix(features @ self.linear.weight.T, relative)

    def _mix(self, output: Tensor, relative: Tensor) -> Tensor:
        *lower, mixed = output.chunk(1 + self.degree, dim=1)
        for coefficient in reversed(lower):
            mixed = coefficient + relative * mixed
        return mixed
