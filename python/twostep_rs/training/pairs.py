"""Pairs of source and target particles, as batches of stage I take them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import torch

from twostep_rs.models.features import nearest_image

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.config import Coupling
    from twostep_rs.training.data import TrainingData


class Pair(NamedTuple):
    """Rows of pairs: source and target (n, d) and their parameter (n, 1).

    On a torus that is not cut the source is the image that is nearest to the target: the straight
    path between both is the shortest.
    """

    source: Tensor
    target: Tensor
    parameter: Tensor


class Pairs:
    """Coupled clouds of every parameter in one table on a device.

    They are coupled when :meth:`couple` is called or rows are drawn: a training that is done
    already needs none.

    Args:
        data: clouds of every training parameter.
        coupling: which source particle a target particle goes with.
        device: where the table lies, and batches are drawn.
        threads: of the couplings; the package default if not given.
    """

    def __init__(
        self,
        data: TrainingData,
        coupling: Coupling,
        device: torch.device,
        threads: int | None = None,
    ) -> None:
        self.scaling = data.scaling()
        self._coupling = coupling
        self._particles = data.particles
        self._device = device
        self._coupled = functools.partial(data.coupled, coupling, threads=threads)
        whole = data.period is not None and data.origin is None
        self._period = torch.tensor(data.period, device=device) if whole else None

    def couple(self) -> None:
        """Couple the clouds now."""
        _ = self._table

    @functools.cached_property
    def _table(self) -> Tensor:
        coupled = self._coupled()
        # Source, target and parameter of a row side by side: one look-up finds all three.
        parameter = torch.tensor(coupled.parameters).repeat_interleave(self._particles).unsqueeze(1)
        parts = (coupled.source.flatten(0, 1), coupled.target.flatten(0, 1), parameter)
        return torch.cat(parts, dim=1).to(self._device)

    def draw(self, size: int, random: torch.Generator) -> Pair:
        """Rows of all parameters alike."""
        return self._rows(self._integers(len(self._table), size, random), random)

    def draw_groups(self, groups: int, size: int, random: torch.Generator) -> Pair:
        """Groups of rows that share their parameter, one after the other."""
        parameters = len(self._table) // self._particles
        first = self._integers(parameters, groups, random) * self._particles
        rows = first.repeat_interleave(size) + self._integers(
            self._particles, groups * size, random
        )
        return self._rows(rows, random)

    def _rows(self, rows: Tensor, random: torch.Generator) -> Pair:
        dim = self.scaling.dim
        source, target, parameter = torch.split(
            self._table.index_select(0, rows), [dim, dim, 1], dim=1
        )
        if self._coupling == "independent":
            # Any source row of the same parameter.
            others = (
                rows - rows % self._particles + self._integers(self._particles, len(rows), random)
            )
            source = self._table.index_select(0, others)[:, :dim]
        return Pair(nearest_image(source, target, self._period), target, parameter)

    def _integers(self, high: int, size: int, random: torch.Generator) -> Tensor:
        return torch.randint(high, (size,), generator=random, device=self._device)
