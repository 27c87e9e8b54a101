"""The entropic transport map, evaluated at particles that it was not made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from twostep_rs.baselines.neighbours import neighbours
from twostep_rs.ot.sinkhorn import mean_cost, potentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from twostep_rs.baselines.neighbours import Points
    from twostep_rs.systems import Cloud

_ROWS = 1024


class EntropicMap:
    r"""Barycentres of the entropic plan from source to target (Pooladian and Niles-Weed 2021).

    With the potential g of the targets, a particle x anywhere goes to

    .. math:: T(x) = \sum_j w_j(x) y_j, \quad w_j(x) \propto \exp((g_j - |x - y_j|^2) / \epsilon).

    Between training parameters, and beyond them, the maps of the two neighbours are joined by a
    straight line.

    Args:
        clouds: of training, by parameter; positions are those of free space.
        epsilon: strength of the entropy, as a share of the mean cost.
        particles: of each cloud, at most; the first ones.
        device: where potentials and maps are computed.
    """

    def __init__(
        self,
        clouds: Mapping[float, Cloud],
        *,
        epsilon: float = 0.01,
        particles: int = 15_000,
        device: str = "cpu",
    ) -> None:
        self._parameters = sorted(clouds)
        self._epsilon = epsilon
        self._clouds = [
            tuple(
                torch.from_numpy(points[:particles]).to(device)
                for points in (clouds[p].source, clouds[p].target)
            )
            for p in self._parameters
        ]
        self._maps: dict[int, tuple[float, Tensor]] = {}

    def __call__(self, source: Points, parameter: float, /) -> Points:
        """Where the particles of ``source`` go, (n, d).

        Raises:
            InputError: there is one parameter alone.
            ConvergenceError: the entropy is too weak for the budget of iterations.
        """
        low, high, weight = neighbours(self._parameters, parameter)
        x = torch.from_numpy(source).to(self._clouds[low][0].device)
        moved = torch.lerp(self._carried(low, x), self._carried(high, x), weight)
        points: Points = moved.cpu().numpy()
        return points

    def _carried(self, index: int, x: Tensor) -> Tensor:
        epsilon, g = self._potential(index)
        y = self._clouds[index][1]
        return torch.cat(
            [
                torch.softmax((g - torch.cdist(rows, y).square()) / epsilon, dim=1) @ y
                for rows in torch.split(x, _ROWS)
            ]
        )

    def _potential(self, index: int) -> tuple[float, Tensor]:
        """Entropy in units of the cost, and the potential of the targets."""
        if index not in self._maps:
            x, y = self._clouds[index]
            a, b = (points.new_full((len(points),), 1.0 / len(points)) for points in (x, y))
            epsilon = self._epsilon * float(mean_cost(x, y, a, b))
            self._maps[index] = epsilon, potentials(x, y, a, b, epsilon).g
        return self._maps[index]
