"""Clouds of training as tensors."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from twostep_rs import ot
from twostep_rs._scalars import as_real
from twostep_rs.errors import DtypeError, InputError, ShapeError
from twostep_rs.models.features import Scaling, nearest_image, scaling_of, wrapped
from twostep_rs.systems import Cloud

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

    from twostep_rs.config import Coupling, Torus

# From here on pairs cost so much more than the optimal plan that their paths cross.
_CROSSING = 2.0

# Clouds of more rows are coupled in blocks of fewer: the cost of a plan grows faster than its rows,
# and what so many particles have in common shows in few of them.
_LARGEST_PLAN = 20_000
_BLOCK = 5_000


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Source and target particles of every training parameter.

    Attributes:
        parameters: the k parameters, ascending.
        source: (k, n, d) float32.
        target: (k, n, d) float32.
        paired: whether row i of a target is where row i of its source went.
        period: periods of a torus, one per axis; None for free space.
        origin: corner of the cell that the torus is cut open to; None where it is not cut.
    """

    parameters: tuple[float, ...]
    source: Tensor
    target: Tensor
    paired: bool
    period: tuple[float, ...] | None = None
    origin: tuple[float, ...] | None = None

    @classmethod
    def from_clouds(
        cls,
        clouds: Mapping[float, Cloud],
        period: tuple[float, ...] | None = None,
        torus: Torus = "whole",
    ) -> TrainingData:
        """Stack clouds of one size, each with as many source as target particles.

        Args:
            clouds: by parameter.
            period: periods of a torus, one per axis.
            torus: ``cut`` moves all particles to the cell whose faces meet the fewest targets.

        Raises:
            DtypeError: a parameter is no number, or a value no cloud.
            InputError: there are none, or some are paired and others not.
            ShapeError: their shapes differ, or there is not one period per axis.
        """
        if not clouds:
            raise InputError("clouds: expected at least one parameter, got none")
        for parameter, cloud in clouds.items():
            as_real("clouds", parameter)
            if not isinstance(cloud, Cloud):
                raise DtypeError(
                    f"clouds[{parameter:g}]: expected a Cloud, got {type(cloud).__name__}"
                )
        parameters = sorted(clouds)
        first = clouds[parameters[0]]
        for parameter in parameters:
            cloud = clouds[parameter]
            if cloud.paired != first.paired:
                raise InputError(
                    f"clouds[{parameter:g}]: expected paired={first.paired} like the others, "
                    f"got {cloud.paired}"
                )
            for end in ("source", "target"):
                expected, shape = first.target.shape, getattr(cloud, end).shape
                if shape != expected:
                    raise ShapeError(
                        f"clouds[{parameter:g}].{end}: expected {expected}, got {shape}"
                    )
        if period is not None and len(period) != first.dim:
            raise ShapeError(f"period: expected {first.dim} numbers, got {len(period)}")
        source, target = (
            torch.from_numpy(np.stack([getattr(clouds[p], end) for p in parameters])).float()
            for end in ("source", "target")
        )
        data = cls(tuple(float(p) for p in parameters), source, target, first.paired, period)
        return data.cut_open() if period is not None and torus == "cut" else data

    def cut_open(self) -> TrainingData:
        """The same particles in the cell of a torus whose faces meet the fewest targets."""
        assert self.period is not None
        targets = self.target.reshape(-1, self.dim).double().numpy()
        origin = tuple(
            _emptiest(x, length) for x, length in zip(targets.T, self.period, strict=True)
        )
        period, corner = torch.tensor(self.period), torch.tensor(origin)
        source, target = (wrapped(x, period, corner) for x in (self.source, self.target))
        return replace(self, source=source, target=target, origin=origin)

    @property
    def dim(self) -> int:
        """Number of coordinates of a particle."""
        return self.source.shape[2]

    @property
    def particles(self) -> int:
        """Particles per parameter."""
        return self.source.shape[1]

    def scaling(self) -> Scaling:
        """Location and scale of all particles."""
        both = torch.cat([self.source, self.target], dim=1)
        return scaling_of(both.reshape(-1, self.dim), self.parameters, self.period, self.origin)

    def coupled(self, coupling: Coupling, *, threads: int | None = None) -> TrainingData:
        """Order the targets so that row i goes with row i of the source, where that is meant.

        ``exact`` couples each parameter's clouds by an optimal plan of all particles, or of every
        5 000 of them where there are more than 20 000. ``auto`` keeps the simulator's pairs where
        they cost less than twice as much as those plans, and takes the plans where they cost more:
        straight paths between such pairs would cross.

        Raises:
            InputError: ``paired`` is asked of data that are not.
        """
        if coupling == "paired" and not self.paired:
            raise InputError(
                "coupling: expected 'independent' or 'exact' for particles that are not paired, "
                "got 'paired'"
            )
        if coupling in ("paired", "independent"):
            return self
        # Paths do not cross the faces of a cell that was cut open.
        period = self.period if self.origin is None else None
        size = self.particles if self.particles <= _LARGEST_PLAN else _BLOCK
        source, target = (
            [block for cloud in clouds for block in cloud.split(size)]
            for clouds in (self.source, self.target)
        )
        plans = ot.emd_batch(source, target, period=period, threads=threads)
        if coupling == "auto" and self.paired:
            lengths = None if period is None else self.source.new_tensor(period)
            ways = nearest_image(self.source, self.target, lengths) - self.target
            cost = ways.square().sum(dim=2).mean(dim=1).sum()
            total = sum(p.cost * len(y) for y, p in zip(target, plans, strict=True))
            if float(cost) < _CROSSING * total / self.particles:
                return self
        ordered = torch.cat([y[plan.permutation] for y, plan in zip(target, plans, strict=True)])
        return replace(self, target=ordered.view_as(self.target), paired=True)

    def fingerprint(self) -> str:
        """A hash of everything in here."""
        digest = hashlib.sha256(
            repr(
                (self.parameters, self.paired, self.period, self.origin, self.source.shape)
            ).encode()
        )
        for tensor in (self.source, self.target):
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()


def _emptiest(x: NDArray[np.float64], length: float) -> float:
    """The place on a circle around which, in a sixteenth of it, there are the fewest of ``x``."""
    counts, edges = np.histogram(np.mod(x, length), bins=64, range=(0.0, length))
    around = sum(np.roll(counts, shift) for shift in (-2, -1, 0, 1))
    return float(edges[np.argmin(around)])
