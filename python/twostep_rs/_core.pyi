from collections.abc import Callable, Sequence
from typing import Any, Self, TypedDict, final, type_check_only

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FeynmanKac",
    "KellerSegel",
    "RawGridPlan",
    "RawPlan",
    "build_info",
    "default_threads",
    "emd_batch",
    "emd_matrix",
    "emd_points",
    "flow_velocity",
    "grid_w2",
    "histogram_w2",
    "resample",
    "set_default_threads",
    "torus_points",
    "uniform_ball",
]

def build_info() -> dict[str, Any]: ...
def default_threads() -> int: ...
def set_default_threads(threads: int) -> None: ...

@final
class RawPlan:
    @property
    def cost(self) -> float: ...
    @property
    def dual(self) -> float: ...
    @property
    def gap(self) -> float: ...
    @property
    def max_violation(self) -> float: ...
    @property
    def marginal_residual(self) -> float: ...
    @property
    def cost_scale(self) -> float: ...
    @property
    def pivots(self) -> int: ...
    @property
    def rounds(self) -> int: ...
    @property
    def warm(self) -> bool: ...
    def entries(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]: ...
    def potentials(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...

def emd_points(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    a: NDArray[np.float64] | None,
    b: NDArray[np.float64] | None,
    metric: str,
    period: Sequence[float] | None,
    warm_start: RawPlan | None,
    max_pivots: int | None,
    threads: int | None,
) -> RawPlan: ...
def emd_batch(
    xs: Sequence[NDArray[np.float64]],
    ys: Sequence[NDArray[np.float64]],
    metric: str,
    period: Sequence[float] | None,
    warm_starts: Sequence[RawPlan | None],
    max_pivots: int | None,
    threads: int | None,
) -> list[RawPlan]: ...
def emd_matrix(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    costs: NDArray[np.float64],
    max_pivots: int | None,
    threads: int | None,
) -> RawPlan: ...

@final
class RawGridPlan:
    @property
    def w2_squared(self) -> float: ...
    @property
    def in_cells(self) -> tuple[int, int] | None: ...
    @property
    def low(self) -> list[float]: ...
    @property
    def high(self) -> list[float]: ...
    @property
    def occupied(self) -> tuple[int, int]: ...
    @property
    def gap(self) -> float: ...
    @property
    def max_violation(self) -> float: ...
    @property
    def marginal_residual(self) -> float: ...
    @property
    def cost_scale(self) -> float: ...
    @property
    def cost_rounding(self) -> float: ...
    @property
    def pivots(self) -> int: ...
    @property
    def warm(self) -> bool: ...
    def entries(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]: ...
    def potentials(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]: ...

def histogram_w2(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    bins: Sequence[int],
    rule: str,
    ends: tuple[Sequence[float], Sequence[float]] | None,
    period: Sequence[float] | None,
    warm_start: RawGridPlan | None,
    threads: int | None,
) -> RawGridPlan: ...
def grid_w2(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    bins: Sequence[int],
    ends: tuple[Sequence[float], Sequence[float]],
    period: Sequence[float] | None,
    warm_start: RawGridPlan | None,
    threads: int | None,
) -> RawGridPlan: ...

@final
class KellerSegel:
    def __new__(
        cls,
        *,
        dim: int,
        flow: str,
        kernel: str,
        delta: float,
        precision: str,
        attraction: float,
        diffusion: float,
        duration: float,
        steps: int,
        integrator: str,
        kick_every: int,
    ) -> Self: ...
    def simulate(
        self,
        source: NDArray[np.float64],
        sigma: float,
        seed: int,
        *,
        threads: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> NDArray[np.float64]: ...
    def drift(
        self,
        x: NDArray[np.float64],
        sigma: float,
        *,
        chemotaxis: bool = True,
        flow: bool = True,
        threads: int | None = None,
    ) -> NDArray[np.float64]: ...

def uniform_ball(
    dim: int, n: int, seed: int, *, threads: int | None = None
) -> NDArray[np.float64]: ...

@type_check_only
class RawGenerations(TypedDict):
    cloud: NDArray[np.float64]
    growth: NDArray[np.float64]
    ess: NDArray[np.float64]
    ancestors: NDArray[np.int64]

@final
class FeynmanKac:
    def __new__(
        cls,
        *,
        flow: Sequence[str],
        parameters: Sequence[tuple[str, float]],
        lam: float,
        kappa: float,
        steps: int,
        integrator: str,
        resampling: str,
        every: int,
        ess: float | None,
    ) -> Self: ...
    def run(
        self,
        source: NDArray[np.float64],
        periods: int,
        seed: int,
        *,
        threads: int | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> RawGenerations: ...

def flow_velocity(
    flow: Sequence[str],
    parameters: Sequence[tuple[str, float]],
    x: NDArray[np.float64],
    t: float,
) -> NDArray[np.float64]: ...
def torus_points(
    dim: int, n: int, deviation: float | None, seed: int, *, threads: int | None = None
) -> NDArray[np.float64]: ...
def resample(
    weights: NDArray[np.float64],
    logarithmic: bool,
    scheme: str,
    in_place: bool,
    seed: int,
    ancestors: NDArray[np.int64],
    *,
    threads: int | None = None,
) -> None: ...
