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
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

import torch

from twostep_rs import ot
from twostep_rs._scalars import as_choice, as_integer, as_real
from twostep_rs._torus import shortest
from twostep_rs.errors import InputError
from twostep_rs.gradient_flows.entropic import Pairs, converged, iterated, mean_square

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from torch import Tensor

    Each = Callable[[Callable[[Any], Tensor], list[Any]], Iterable[Tensor]]

Energy = Literal["sinkhorn", "exact", "mmd", "kl"]
SelfTransport = Literal["two-batch", "one-batch", "others"]


class Velocity(Protocol):
    """What particles follow."""

    @property
    def records(self) -> bool:
        """Whether a GPU can record it: nothing in it waits for the device."""
        ...

    def velocity(
        self,
        x: Tensor,
        twin: Tensor,
        y: Tensor,
        period: Tensor | None = None,
        *,
        each: Each | None = None,
    ) -> Tensor:
        """As :meth:`Field.velocity`."""
        ...


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
        if (self.energy, self.self_transport) == ("exact", "others"):
            raise InputError(
                "self_transport: expected 'two-batch' or 'one-batch' with energy 'exact', "
                "got 'others'"
            )

    @property
    def records(self) -> bool:
        """Whether a GPU can record it: nothing in it waits for the device."""
        return self.energy != "exact" and self.iterations is not None

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
        """Velocities of the particles of k problems, (k, n, d), without gradient.

        Args:
            x: particles, (k, n, d).
            twin: a second batch of the same laws, (k, m, d); read where ``self_transport`` says
                so.
            y: targets, (k, m, d).
            period: periods of the axes of a torus, (d,).
            each: maps a function over pieces of the work, for example on threads; all problems
                are computed at once by default.

        Raises:
            ConvergenceError: plans that are to converge did not.
        """
        partners = twin if self.self_transport == "two-batch" else x
        if self.energy == "exact":
            ahead, own = (exact_displacement(x, z, period) for z in (y, partners))
            return scaled_to_one(ahead - own) if self.normalised else ahead - own
        square = mean_square(Pairs(x, y, x.new_ones(len(x)), period))
        # Where all particles lie on one target nothing moves, whatever epsilon is.
        square = square.clamp_min(torch.finfo(x.dtype).tiny / min(self.epsilons))

        def difference(relative: float) -> Tensor:
            return self.difference(x, partners, y, relative * square, period, each=each)

        fields = [difference(relative) for relative in self.epsilons]
        if self.normalised:
            fields = [scaled_to_one(field) for field in fields]
        return torch.stack(fields).mean(dim=0)

    def difference(
        self,
        x: Tensor,
        partners: Tensor,
        y: Tensor,
        epsilon: Tensor,
        period: Tensor | None = None,
        *,
        each: Each | None = None,
    ) -> Tensor:
        """The velocity of entropic plans at a given epsilon, (k, n, d).

        Args:
            x: as for :meth:`velocity`.
            partners: of the particles among themselves, (k, m, d).
            y: as for :meth:`velocity`.
            epsilon: of every problem, in units of half the squared distance, (k,).
            period: as for :meth:`velocity`.
            each: as for :meth:`velocity`.
        """
        others = self.self_transport == "others"
        if each is None and y.shape == partners.shape and not others:
            # Both ends as problems of one call: twice the work for a device at a time.
            both = torch.cat([x, x]), torch.cat([y, partners]), torch.cat([epsilon, epsilon])
            ahead, own = self.displacement(*both, period).chunk(2)
            return ahead - own

        def displaced(part: tuple[Tensor, bool, slice]) -> Tensor:
            z, others, rows = part
            return self.displacement(x[rows], z[rows], epsilon[rows], period, others=others)

        problems = [slice(None)] if each is None else [slice(k, k + 1) for k in range(len(x))]
        ends = ((y, False), (partners, others))
        parts = [(*end, rows) for end in ends for rows in problems]
        ahead, own = torch.cat(list((each or map)(displaced, parts))).chunk(2)
        return ahead - own

    @torch.no_grad()
    def displacement(
        self,
        x: Tensor,
        y: Tensor,
        epsilon: Tensor,
        period: Tensor | None = None,
        *,
        others: bool = False,
    ) -> Tensor:
        """T(x) - x, (k, n, d), of the entropic plans from x to y.

        Args:
            x: particles, (k, n, d).
            y: partners, (k, m, d).
            epsilon: of every problem, in units of half the squared distance, (k,).
            period: periods of the axes of a torus, (d,).
            others: whether particles of the same index are no partners.
        """
        pairs = Pairs(x, y, epsilon, period, others)
        if self.energy == "sinkhorn":
            return pairs.pull(self._potential(pairs)).displacement
        displacement, log_mass = pairs.pull(pairs.start())
        if self.energy == "kl":
            return displacement
        return displacement * log_mass.exp().unsqueeze(2)

    def _potential(self, pairs: Pairs) -> Tensor:
        if self.iterations is None:
            return converged(pairs, tolerance=self.tolerance).v
        return iterated(pairs, self.iterations)


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
        gap = shortest(partners[plan.cols] - points[plan.rows], period)
        moved.index_add_(0, plan.rows, len(points) * plan.mass.unsqueeze(1) * gap)
    return displacement


def scaled_to_one(velocity: Tensor) -> Tensor:
    """Velocities of every problem, (k, n, d), over their root mean square."""
    square = velocity.square().mean(dim=(1, 2), keepdim=True)
    return velocity / square.sqrt().clamp_min(torch.finfo(velocity.dtype).tiny)
