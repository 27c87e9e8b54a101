"""Batches whose every field is a tensor with a row each."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from torch import Tensor


class Rows:
    """What the engine asks of a batch, for dataclasses of tensors (n, ...)."""

    def __len__(self) -> int:
        """Number of rows."""
        return len(next(iter(self._tensors())))

    def rows(self, rows: slice) -> Self:
        """Some of the rows, in their order."""
        return type(self)(*(tensor[rows] for tensor in self._tensors()))

    def _tensors(self) -> tuple[Tensor, ...]:
        entries: Any = fields(self)  # type: ignore[arg-type]  # subclasses are dataclasses
        return tuple(getattr(self, entry.name) for entry in entries)
