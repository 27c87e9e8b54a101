"""Batches whose fields are tensors with a row each."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Self

from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator


class Rows:
    """What the engine asks of a batch, for dataclasses of tensors (n, ...).

    A field may be None, if it is optional, or the number of the first rows that are special.
    """

    def __len__(self) -> int:
        """Number of rows."""
        return next(len(value) for value in self._values() if isinstance(value, Tensor))

    @property
    def particles(self) -> int:
        """Number of particles; a row may have several."""
        return len(self)

    def rows(self, rows: slice) -> Self:
        """Some of the rows, in their order."""
        return type(self)(*(_rows(value, rows) for value in self._values()))

    def _values(self) -> Iterator[Tensor | int | None]:
        entries: Any = fields(self)  # type: ignore[arg-type]  # subclasses are dataclasses
        return (getattr(self, entry.name) for entry in entries)


def _rows(value: Tensor | int | None, rows: slice) -> Tensor | int | None:
    if isinstance(value, Tensor):
        return value[rows]
    return None if value is None else len(range(value)[rows])
