"""Exact transport in the background: futures of plans, for tensors on a GPU too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from twostep_rs._arrays import as_points, is_tensor, like
from twostep_rs.ot.emd import emd
from twostep_rs.ot.memory import check_points_fit
from twostep_rs.ot.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor

    from numpy.typing import ArrayLike, NDArray

    from twostep_rs.ot.emd import Metric

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# One of each per process: a forked child has no threads of its parent.
_executors: dict[int, ThreadPoolExecutor] = {}
_streams: dict[Any, Any] = {}


def submit(
    x: ArrayLike,
    y: ArrayLike,
    *,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    metric: Metric = "sqeuclidean",
    period: float | Sequence[float] | None = None,
    warm_start: Plan | None = None,
    max_pivots: int | None = None,
    threads: int | None = None,
) -> Future[Plan]:
    """Solve as :func:`twostep_rs.ot.emd` does, while the caller goes on.

    The points are those of the moment of the call: they may be overwritten right after it. Points
    on a GPU are copied through pinned memory on a stream of their own; neither the caller nor the
    stream that computes them waits. Problems that are submitted are solved one after the
    other, each on all ``threads``.

    Args:
        x: sources, ``(n, d)``.
        y: targets, ``(m, d)``.
        a: as for :func:`twostep_rs.ot.emd`; so are the others.
        b: masses of the targets.
        metric: of the cost.
        period: of the axes of a torus.
        warm_start: plan of an earlier problem.
        max_pivots: budget of simplex pivots.
        threads: number of threads; the package default if not given.

    Returns:
        A future whose ``result()`` is the plan, on the device of the input; what is wrong with an
        argument is raised there.

    Raises:
        InputError: the problem needs more memory than the machine has; nothing is copied then.

    Example:
        >>> import numpy as np, twostep_rs as ts
        >>> future = ts.ot.submit(np.array([[0.0], [1.0]]), np.array([[1.0], [0.5]]))
        >>> future.result().permutation
        array([1, 0])
    """
    check_points_fit(x, y)
    points = Snapshot(x), Snapshot(y)
    masses = [None if mass is None else Snapshot(mass) for mass in (a, b)]
    restore = like(x, y)

    def solve() -> Plan:
        plan = emd(
            points[0].array(),
            points[1].array(),
            a=None if masses[0] is None else masses[0].array(),
            b=None if masses[1] is None else masses[1].array(),
            metric=metric,
            period=period,
            warm_start=warm_start,
            max_pivots=max_pivots,
            threads=threads,
        )
        return Plan(plan._raw, plan.shape, metric, restore)  # noqa: SLF001

    return background(solve)


def background(
    work: Callable[Parameters, Result], *args: Parameters.args, **options: Parameters.kwargs
) -> Future[Result]:
    """Call ``work`` on the one thread that solves what was submitted, in that order."""
    from concurrent.futures import ThreadPoolExecutor

    executor = _executors.get(os.getpid())
    if executor is None:
        executor = _executors[os.getpid()] = ThreadPoolExecutor(1, "twostep-ot")
    return executor.submit(work, *args, **options)


class Snapshot:
    """An array as it is now, for a thread that reads it later.

    Args:
        value: array-like; a tensor on a GPU is copied to pinned memory without waiting.
    """

    def __init__(self, value: Any) -> None:
        self._event: Any = None
        if is_tensor(value) and value.device.type == "cuda":
            self._value, self._event = _pinned(value)
        elif is_tensor(value):
            self._value = value.detach().clone()
        else:
            self._value = np.array(value)

    def array(self) -> Any:
        """The array, on the CPU, once it is there."""
        if self._event is not None:
            self._event.synchronize()
        return self._value

    def clouds(self) -> list[NDArray[np.float64]]:
        """The clouds of a tensor of shape (k, n, d)."""
        return [as_points(f"clouds[{k}]", cloud) for k, cloud in enumerate(self.array())]


def _pinned(tensor: Any) -> tuple[Any, Any]:
    """Begin to copy a tensor to pinned memory; the event says when it is there."""
    import torch

    device = tensor.device
    if device not in _streams:
        _streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream = _streams[device]
    # A copy on the device, since the caller's next kernels may overwrite the tensor.
    source = tensor.detach().clone(memory_format=torch.contiguous_format)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        host = torch.empty(source.shape, dtype=source.dtype, pin_memory=True)
        host.copy_(source, non_blocking=True)
        source.record_stream(stream)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(stream)
    return host, event
