"""What a particle system offers to the rest of the package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from twostep_rs._scalars import as_real

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from twostep_rs.systems.cloud import Cloud


@dataclass(frozen=True)
class Domain:
    """Where particles live: free space, or the torus with a period per axis.

    Attributes:
        period: the periods, or None for free space.
    """

    period: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.period is not None:
            periods = tuple(as_real("period", p, low=0.0, strict=True) for p in self.period)
            object.__setattr__(self, "period", periods)


@runtime_checkable
class System(Protocol):
    """A family of laws of particles, indexed by one physical parameter.

    Anything with these four members can be trained on and evaluated; the class need not derive
    from this one.
    """

    @property
    def dim(self) -> int:
        """Number of coordinates of a particle."""
        ...

    @property
    def domain(self) -> Domain:
        """Where the particles live."""
        ...

    def prior(self, n: int, seed: int) -> NDArray[np.float64]:
        """Draw ``n`` independent source particles, shape (n, dim); one seed fixes them."""
        ...

    def simulate(
        self,
        parameter: float,
        /,
        n: int,
        seed: int,
        source: NDArray[np.float64] | None = None,
    ) -> Cloud:
        """Draw ``n`` target particles at ``parameter``, from ``source`` or from the prior."""
        ...


@runtime_checkable
class ConcurrentSystem(System, Protocol):
    """A system several of whose clouds are best drawn at once, with a thread each.

    Attributes:
        concurrent: says so.
    """

    concurrent: ClassVar[bool]

    def simulate(
        self,
        parameter: float,
        /,
        n: int,
        seed: int,
        source: NDArray[np.float64] | None = None,
        *,
        threads: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Cloud:
        """Draw as others do, with so many threads; an error that ``progress`` raises ends it."""
        ...
