"""Batches of stage II."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from twostep_rs.models.features import in_chart
from twostep_rs.training.seeds import derive

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    from twostep_rs.training.data import TrainingData

    Prior = Callable[[int, int], NDArray[Any]]


class Batch(NamedTuple):
    """Particles of every parameter, each (k, n, d); source and twin are drawn alike."""

    source: Tensor
    twin: Tensor
    target: Tensor


class Batches:
    """The batch of each number, a function of the number and the seed alone.

    Source particles are fresh ones from the prior, or rows of the clouds where there is no prior;
    target particles are rows of the clouds. No row is twice in a sample, and none is in a source
    and its twin, whose bias would not be that of independent samples.

    Args:
        data: clouds of every training parameter.
        size: particles of each parameter.
        seed: of the run.
        prior: ``prior(n, seed)`` draws source particles, (n, d).
        device: where batches go.
    """

    def __init__(
        self,
        data: TrainingData,
        size: int,
        seed: int,
        prior: Prior | None,
        device: torch.device,
    ) -> None:
        self._size = size
        self._seed = seed
        self._prior = prior
        self._scaling = data.scaling()
        self._source = data.source.to(device)
        self._target = data.target.to(device)

    def __getitem__(self, number: int) -> Batch:
        """The batch of ``number``."""
        source, twin = self._sources(number)
        return Batch(source, twin, *self._rows(self._target, "stage 2 target", number, samples=1))

    def _sources(self, number: int) -> tuple[Tensor, Tensor]:
        if self._prior is None:
            # A lone batch may be as large as the clouds; it has a twin of the rows that are left.
            samples = 2 if 2 * self._size <= self._source.shape[1] else 1
            drawn = self._rows(self._source, "stage 2 source", number, samples=samples)
            return drawn[0], drawn[-1]
        return self._fresh("stage 2 source", number), self._fresh("stage 2 twin", number)

    def _fresh(self, purpose: str, number: int) -> Tensor:
        assert self._prior is not None
        count = len(self._target) * self._size
        particles = self._prior(count, derive(self._seed, purpose, number))
        shape = (-1, self._size, particles.shape[1])
        return in_chart(torch.from_numpy(particles).to(self._source), self._scaling).view(shape)

    def _rows(
        self, clouds: Tensor, purpose: str, number: int, *, samples: int
    ) -> tuple[Tensor, ...]:
        """Disjoint samples of every cloud."""
        random = np.random.default_rng(derive(self._seed, purpose, number))
        count = clouds.shape[1]
        rows = [random.choice(count, samples * self._size, replace=False) for _ in clouds]
        index = torch.from_numpy(np.stack(rows)).to(clouds.device)
        drawn = clouds.gather(1, index.unsqueeze(2).expand(-1, -1, clouds.shape[2]))
        return torch.split(drawn, self._size, dim=1)
