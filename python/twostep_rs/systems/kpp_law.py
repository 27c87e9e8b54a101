"""The limit law of KPP particles as a system of its own, by draws and by runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from twostep_rs._arrays import as_points
from twostep_rs._scalars import as_integer
from twostep_rs.systems.cloud import Cloud
from twostep_rs.systems.kpp import DEFAULT_PARTICLES, KPP

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from twostep_rs.systems.protocol import Domain

# Until the fluctuations of a run are its own and no more those of its start.
_RELAXATIONS = 2.0


@dataclass(frozen=True)
class KPPLaw:
    """Independent particles of the law that a KPP system tends to, without running it.

    They are drawn from the deterministic reference. Those of a run are not independent: they
    descend from each other.

    Attributes:
        system: the system.

    Example:
        >>> law = KPPLaw(KPP(2, ("0", "0")))
        >>> law.simulate(0.25, n=10, seed=0).target.shape
        (10, 2)
    """

    system: KPP

    concurrent: ClassVar[bool] = True

    @property
    def dim(self) -> int:
        """Number of coordinates of a particle."""
        return self.system.dim

    @property
    def domain(self) -> Domain:
        """The torus of the system."""
        return self.system.domain

    def prior(self, n: int = DEFAULT_PARTICLES, seed: int = 0) -> NDArray[np.float64]:
        """Draw source particles, as the system does."""
        return self.system.prior(n, seed)

    def simulate(
        self,
        kappa: float,
        n: int | None = None,
        seed: int = 0,
        source: ArrayLike | None = None,
        *,
        threads: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Cloud:
        """Draw particles of the law at ``kappa``.

        Args:
            kappa: diffusivity, above 0.
            n: number of particles; 20 000 where no source is given, else its rows.
            seed: of the prior and the particles, from 0 to 2^64 - 1.
            source: source particles, shape (n, dim), which the particles do not depend on; drawn
                from the prior where it is None.
            threads: ignored; it takes one.
            progress: ignored; it takes a second.

        Returns:
            The cloud, which is not paired.
        """
        if source is not None:
            points = as_points("source", source)
            n = len(points) if n is None else n
        count = as_integer("n", DEFAULT_PARTICLES if n is None else n, low=1)
        points = self.prior(count, seed) if source is None else points
        law = self.system.reference(kappa)
        return Cloud(points, law.sample(count, seed), paired=False)

    def bin_masses(
        self, kappa: float, bins: int, axes: Sequence[int] | None = None
    ) -> NDArray[np.float64]:
        """Exact masses of cells, as :meth:`Reference.bin_masses` gives them."""
        return self.system.reference(kappa).bin_masses(bins, axes)


@dataclass(frozen=True)
class SettledKPP(KPPLaw):
    """Particles of runs that began in the limit law, as long ago as their relations need.

    They have the same law as those of :class:`KPPLaw`, up to the bias of the time step, but
    descend from each other: what a run gives when its start is forgotten.

    Attributes:
        system: the system.
    """

    def simulate(
        self,
        kappa: float,
        n: int | None = None,
        seed: int = 0,
        source: ArrayLike | None = None,
        *,
        threads: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> Cloud:
        """Draw particles of the law and run them for two relaxation times.

        Args:
            kappa: diffusivity, above 0.
            n: number of particles; 20 000 where no source is given, else its rows.
            seed: of the prior and the particles, from 0 to 2^64 - 1.
            source: as for :meth:`KPPLaw.simulate`.
            threads: number of threads; the package's default where it is None.
            progress: called as ``progress(done, total)`` about 20 times a second.

        Returns:
            The cloud, which is not paired.
        """
        drawn = super().simulate(kappa, n, seed, source)
        periods = math.ceil(_RELAXATIONS * self.system.reference(kappa).relaxation)
        run = self.system.run(
            kappa,
            generations=periods,
            seed=seed,
            initial=drawn.target,
            threads=threads,
            progress=progress,
        )
        return Cloud(drawn.source, run.cloud, paired=False)
