r"""Velocities of Wasserstein gradient flows, estimated from batches of particles.

The flow of an energy F moves particles of the law q by :math:`-\nabla \delta F / \delta q`. For the
Sinkhorn divergence from q to p that is

.. math:: V(x) = T_{q \to p}(x) - T_{q \to q}(x),

where T takes a particle to the mean of its partners in the entropic plan (W-Flow: Candès et al.
2026). The other energies are limits of the same iteration: without any update of the potentials
the kernel of a maximum mean discrepancy, after half an update the ratio of two kernel densities
(relative entropy), and at epsilon zero the exact plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch

from twostep_rs import ot
from twostep_rs._scalars import as_choice, as_integer, as_real
from twostep_rs.errors import InputError
from twostep_rs.gradient_flows.entropic import Pairs, converged, iterated, mean_square

if TYPE_CHECKING:
    from torch import Tensor

Energy = Literal["sinkhorn", "exact", "mmd", "kl"]
SelfTransport = Literal["two-batch", "one-batch", "others"]


@dataclass(frozen=True)
class Field:
    r"""Which velocity is estimated, and how.

    Attributes:
        energy: ``sinkhorn``: the Sinkhorn divergence; ``exact``: W2 squared, debiased, by exact
            plans; ``mmd``: half the squared maximum mean discrepancy of a Gaussian kernel, times
            epsilon; ``kl``: relative entropy between kernel densities, times epsilon.
        self_transport: partners of :math:`T_{q \to q}`: a second batch, whose sampling error is
            that of the targets; the batch itself, where at small epsilon every particle is its own
            partner; or the batch without the particle itself, which pushes it from its place.
        epsilons: strengths of the entropy, relative to the mean squared distance between
            particles and targets; the mean of their velocities is taken.
        iterations: updates of the potentials; None iterates until the plans have converged.
        tolerance: residual of converged plans.
        normalised: whether the velocity of each epsilon is divided by its root mean square.
    """

    energy: Energy = "sinkhorn"
    self_transport: SelfTransport = "two-batch"
    epsilons: tuple[float, ...] = (0.05,)
    iterations: int | None = 10
    tolerance: float = 1e-3
    normalised: bool = False

    def __post_init__(self) -> None:
        as_choice("energy", self.energy, get_args(Energy))
        as_choice("self_transport", self.self_transport, get_args(SelfTransport))
        if not self.epsilons:
            raise InputError("epsilons: expected at least one, got none")
        for epsilon in self.epsilons:
            as_real("epsilons", epsilon, low=0.0, strict=True)
        if self.iterations is not None:
            as_integer("iterations", self.iterations, low=1)

    @torch.no_grad()
    def velocity(self, x: Tensor, twin: Tensor, y: Tensor, period: Tensor | None = None) -> Tensor:
        """Velocities of the particles of k problems, (k, n, d), without gradient.

        With a fixed number of iterations nothing waits for a device.

        Args:
            x: particles, (k, n, d).
            twin: a second batch of the same laws, (k, m, d); read where ``self_transport`` says
                so.
            y: targets, (k, m, d).
            period: periods of the axes of a torus, (d,).

        Raises:
            ConvergenceError: plans that are to converge did not.
        """
        if self.energy == "exact":
            return self._scaled(self._difference(x, twin, y, None, period))
        square = mean_square(Pairs(x, y, x.new_ones(len(x)), period))
        # Where all particles lie on one target nothing moves, whatever epsilon is.
        square = square.clamp_min(torch.finfo(x.dtype).tiny / min(self.epsilons))
        fields = [
            self._scaled(self._difference(x, twin, y, epsilon * square, period))
            for epsilon in self.epsilons
        ]
        return torch.stack(fields).mean(dim=0)

    def _difference(
        self, x: Tensor, twin: Tensor, y: Tensor, epsilon: Tensor | None, period: Tensor | None
    ) -> Tensor:
        partners = twin if self.self_transport == "two-batch" else x
        others = self.self_transport == "others"
        ahead = self.displacement(x, y, epsilon, period)
        return ahead - self.displacement(x, partners, epsilon, period, others=others)

    @torch.no_grad()
    def displacement(
        self,
        x: Tensor,
        y: Tensor,
        epsilon: Tensor | None,
        period: Tensor | None = None,
        *,
        others: bool = False,
    ) -> Tensor:
        """T(x) - x, (k, n, d), of the plans from x to y.

        Args:
            x: particles, (k, n, d).
            y: partners, (k, m, d).
            epsilon: of every problem, in units of half the squared distance, (k,).
            period: periods of the axes of a torus, (d,).
            others: whether particles of the same index are no partners.
        """
        if self.energy == "exact":
            return exact_displacement(x, y, period)
        assert epsilon is not None
        pairs = Pairs(x, y, epsilon, period, others)
        if self.energy == "sinkhorn":
            return pairs.pull(self._potential(pairs)).displacement
        pull = pairs.pull(pairs.start())
        return pull.displacement if self.energy == "kl" else _by_mass(*pull)

    def _potential(self, pairs: Pairs) -> Tensor:
        if self.iterations is None:
            return converged(pairs, tolerance=self.tolerance).v
        return iterated(pairs, self.iterations)

    def _scaled(self, velocity: Tensor) -> Tensor:
        if not self.normalised:
            return velocity
        square = velocity.square().mean(dim=(1, 2), keepdim=True)
        return velocity / square.sqrt().clamp_min(torch.finfo(velocity.dtype).tiny)


def exact_displacement(x: Tensor, y: Tensor, period: Tensor | None = None) -> Tensor:
    """From particles to the means of their partners in exact plans, (k, n, d).

    Args:
        x: particles, (k, n, d).
        y: partners, (k, m, d).
        period: periods of the axes of a torus, (d,).
    """
    periods = None if period is None else period.tolist()
    plans = ot.emd_batch(list(x), list(y), period=periods)
    displacement = torch.zeros_like(x)
    for moved, points, partners, plan in zip(displacement, x, y, plans, strict=True):
        gap = partners[plan.cols] - points[plan.rows]
        if period is not None:
            gap = gap - period * (gap / period).round()
        moved.index_add_(0, plan.rows, len(points) * plan.mass.unsqueeze(1) * gap)
    return displacement


def _by_mass(displacement: Tensor, log_sum: Tensor) -> Tensor:
    """The displacement times the mass of the kernel there, whose logarithm is the sum."""
    return displacement * log_sum.exp().unsqueeze(2)
