"""What stage I of every method is: a map from source to target particles."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from torch import Tensor, nn

if TYPE_CHECKING:
    import torch

    from twostep_rs.models.features import Scaling


class Generator(nn.Module, ABC):
    """A network, and how particles go through it.

    Attributes:
        scaling: where the training data lie.
        evaluations: evaluations of the network that a sample takes by default.
        random_paths: whether a particle's path is random, given where it starts.
    """

    scaling: Scaling
    evaluations: int = 1
    random_paths: bool = False

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(itertools.chain(self.parameters(), self.buffers())).device

    def with_evaluations(self, evaluations: int | None) -> Self:
        """The same network, which takes so many evaluations by default where a number is given."""
        if evaluations is not None:
            self.evaluations = evaluations
        return self

    @abstractmethod
    def transport(
        self,
        source: Tensor,
        parameter: Tensor,
        *,
        evaluations: int | None = None,
        random: torch.Generator | None = None,
    ) -> Tensor:
        """Carry source particles to the target law, without gradient.

        Args:
            source: (n, d), in the cell where a torus is cut open.
            parameter: physical parameters, (n, 1).
            evaluations: evaluations of the network; :attr:`evaluations` by default.
            random: source of the noise where paths are random; that of torch by default.

        Returns:
            Particles, (n, d); on a torus not wrapped.
        """
