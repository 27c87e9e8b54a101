"""The generator that leaves particles where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from twostep_rs.models.generator import Generator

if TYPE_CHECKING:
    from twostep_rs.models.features import Scaling


class Identity(Generator):
    """Stage I of those who have none: particles stay at their source.

    Args:
        scaling: where the training data lie.
    """

    evaluations = 0

    def __init__(self, scaling: Scaling) -> None:
        super().__init__()
        self.scaling = scaling
        self.register_buffer("place", torch.zeros(()), persistent=False)

    def transport(
        self,
        source: Tensor,
        parameter: Tensor,
        *,
        evaluations: int | None = None,
        random: torch.Generator | None = None,
    ) -> Tensor:
        """The source itself; as for :class:`Generator`."""
        del parameter, evaluations, random
        return source
