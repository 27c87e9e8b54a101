"""Drifting: attraction by targets and repulsion by other particles (Deng et al. 2026)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from twostep_rs._scalars import as_real
from twostep_rs._torus import shortest
from twostep_rs.errors import InputError
from twostep_rs.gradient_flows.velocity import scaled_to_one

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.gradient_flows.velocity import Each


@dataclass(frozen=True)
class Drift:
    r"""The field of the drifting model.

    With the kernel :math:`\exp(-|x - z| / \tau)` between particles and all others z (targets, and
    particles but themselves), A is the root of its rows' softmax times its columns', and

    .. math::
        V_i = \sum_{jk} A^{+}_{ij} A^{-}_{ik} \, (y_j - x_k).

    Attributes:
        temperatures: :math:`\tau`, relative to the mean distance between particles and targets;
            the mean of their fields is taken.
        normalised: whether the field of each temperature is divided by its root mean square.
    """

    temperatures: tuple[float, ...] = (0.05,)
    normalised: bool = False

    def __post_init__(self) -> None:
        if not self.temperatures:
            raise InputError("temperatures: expected at least one, got none")
        for temperature in self.temperatures:
            as_real("temperatures", temperature, low=0.0, strict=True)

    @property
    def records(self) -> bool:
        """A GPU can record it."""
        return True

    @torch.no_grad()
    def velocity(
        self,
        x: Tensor,
        twin: Tensor,
        y: Tensor,
        period: Tensor | None = None,
        *,
        each: Each | None = None,
    ) -> Tensor:
        """The field at the particles of k problems, (k, n, d), without gradient.

        Args:
            x: particles, (k, n, d).
            twin: not read: particles repel each other.
            y: targets, (k, m, d).
            period: periods of the axes of a torus, (d,).
            each: not used.
        """
        del twin, each
        z = torch.cat([y, x], dim=1)
        gap = None if period is None else _gap(x, z, period)
        distance = torch.cdist(x, z) if gap is None else gap.square().sum(dim=3).sqrt()
        m = y.shape[1]
        unit = distance[:, :, :m].mean(dim=(1, 2), keepdim=True)
        unit = unit.clamp_min(torch.finfo(x.dtype).tiny / min(self.temperatures))
        distance.diagonal(m, dim1=1, dim2=2).fill_(torch.inf)
        fields = []
        for temperature in self.temperatures:
            weights = _weights(distance / (temperature * unit), m)
            # They sum to zero in each row, so that positions stand for differences from x.
            field = weights @ z if gap is None else torch.einsum("kij,kijd->kid", weights, gap)
            fields.append(scaled_to_one(field) if self.normalised else field)
        return torch.stack(fields).mean(dim=0)


def _weights(distance: Tensor, m: int) -> Tensor:
    """Weights of m targets and of the particles, (k, n, m + n), from distances in units of tau."""
    # The root of the product of both softmaxes, in the log domain.
    rows, columns = (-distance).log_softmax(dim=2), (-distance).log_softmax(dim=1)
    share = (0.5 * (rows + columns)).exp()
    toward, away = share[:, :, :m], share[:, :, m:]
    attraction = toward * away.sum(dim=2, keepdim=True)
    repulsion = away * toward.sum(dim=2, keepdim=True)
    return torch.cat([attraction, -repulsion], dim=2)


def _gap(x: Tensor, z: Tensor, period: Tensor) -> Tensor:
    """Shortest ways from x to z on a torus, (k, n, m, d)."""
    return shortest(z.unsqueeze(1) - x.unsqueeze(2), period)
