"""Exact transport by others, each at its best settings, where it is installed."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Distributions, with the modules that tell whether they are there.
MODULES = {"POT": "ot", "scipy": "scipy", "lapx": "lap", "pylmcf": "pylmcf"}

#: Pivots that POT may take: its default ends before the optimum from about 2500 points on.
_PIVOTS = 10**8


def installed() -> list[str]:
    """The rivals of this environment."""
    return [name for name, module in MODULES.items() if importlib.util.find_spec(module)]


def pot(a: Array, b: Array, costs: Array) -> tuple[float, Any]:
    """Cost and potentials by POT's network simplex on a matrix."""
    import ot  # type: ignore[import-untyped]

    cost, log = ot.emd2(a, b, costs, numItermax=_PIVOTS, log=True)
    return float(cost), (log["u"], log["v"])


def pot_warm(a: Array, b: Array, costs: Array, potentials: Any) -> float:
    """Cost by the same, from the potentials of an earlier problem."""
    import ot

    return float(ot.emd2(a, b, costs, numItermax=_PIVOTS, potentials_init=potentials))


def pot_lazy(a: Array, b: Array, x: Array, y: Array) -> float:
    """Cost by POT without a matrix."""
    import ot

    # With its matrix it would return the plan too.
    return float(ot.lp.emd2_lazy(x, y, a, b, numItermax=_PIVOTS, return_matrix=False))


def distances(x: Array, y: Array) -> Array:
    """The matrix of squared distances as POT builds it, or SciPy where POT is not there."""
    if importlib.util.find_spec("ot"):
        import ot

        return np.asarray(ot.dist(x, y))
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(x, y, "sqeuclidean"))


def scipy(x: Array, y: Array) -> float:
    """Mean cost by SciPy's shortest augmenting paths, its matrix included."""
    from scipy.optimize import linear_sum_assignment

    costs = distances(x, y)
    return float(costs[linear_sum_assignment(costs)].mean())


def lapx(x: Array, y: Array) -> float:
    """Mean cost by the fastest Jonker-Volgenant solver of lapx, its matrix included."""
    import lap

    total, *_ = lap.lapjvr(distances(x, y))
    return float(total) / len(x)


class PylmcfGrid:
    """Flow between two histograms along one axis after another, by LEMON.

    Squared distances add up over the axes, so that mass may move along one axis at a time: d
    layers of arcs instead of all pairs of cells (Auricchio, Bassetti, Gualandi and Veneroni 2018).
    Costs are rounded to 40 bits, since it takes whole numbers.

    Args:
        a: counts, an array with one axis per axis of the grid.
        b: counts of the same total.
        widths: of a cell, one per axis.
        periodic: whether the grid is a torus.
    """

    def __init__(self, a: Array, b: Array, widths: Array, *, periodic: bool) -> None:
        import pylmcf  # type: ignore[import-not-found, import-untyped, unused-ignore]

        bins, cells = a.shape, a.size
        places = np.arange(cells).reshape(bins)
        self._scale = 2.0**40 / sum(
            (width * count) ** 2 for width, count in zip(widths, bins, strict=True)
        )
        starts, ends, costs = [], [], []
        for axis, (count, width) in enumerate(zip(bins, widths, strict=True)):
            along = np.moveaxis(places, axis, -1).reshape(-1, count)
            gap = np.abs(np.arange(count)[:, None] - np.arange(count))
            gap = np.minimum(gap, count - gap) if periodic else gap
            starts.append(np.repeat(along, count, axis=1).ravel() + axis * cells)
            ends.append(np.tile(along, count).ravel() + (axis + 1) * cells)
            cost = np.rint((gap.ravel() * width) ** 2 * self._scale).astype(np.int64)
            costs.append(np.tile(cost, len(along)))
        start, end, price = (np.concatenate(parts) for parts in (starts, ends, costs))
        order = np.lexsort((end, start))
        nodes = (len(bins) + 1) * cells
        self._graph = pylmcf.Graph(nodes, start[order], end[order])
        supply = np.zeros(nodes, dtype=np.int64)
        supply[:cells], supply[-cells:] = a.ravel(), -b.ravel()
        self._graph.set_node_supply(supply)
        self._graph.set_edge_costs(price[order])
        self._graph.set_edge_capacities(np.full(len(order), int(a.sum())))

    def solve(self) -> float:
        """The least cost in units of length squared, for all counts together."""
        self._graph.solve()
        cost: float = self._graph.total_cost() / self._scale
        return cost
