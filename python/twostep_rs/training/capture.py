"""Steps as CUDA graphs."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Result = TypeVar("Result")

# Eager steps before the capture: they allocate what the graph must find in place.
_WARM_UP = 3


class Replayed(Generic[Result]):
    """Record the work of a GPU once and replay the recording.

    The networks are so small that on a GPU launching the kernels of a step one by one takes
    many times longer than running them. The work must read and write the same tensors in every
    call, draw random numbers from ``generators`` alone, and never wait for the device.

    Args:
        work: one step; what it returns is overwritten by the next call.
        generators: what it draws random numbers from, on the device of the work; without any that
            is the current one.
        captured: whether to record; else every call does the work anew.
    """

    def __init__(
        self,
        work: Callable[[], Result],
        generators: Sequence[torch.Generator] = (),
        *,
        captured: bool = True,
    ) -> None:
        self._work = work
        self._captures = captured
        self._generators = generators
        self._calls = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> Result:
        """Do the work once."""
        if not self._captures:
            return self._work()
        with self._on_its_device():
            return self._replayed()

    def _on_its_device(self) -> contextlib.AbstractContextManager[Any]:
        """Streams and graphs are made on the current device, which may be another one."""
        if not self._generators:
            return contextlib.nullcontext()
        return torch.cuda.device(self._generators[0].device)

    def _replayed(self) -> Result:
        self._calls += 1
        if self._calls <= _WARM_UP:
            return self._on_side_stream()
        if self._graph is None:
            self._capture()
        self._graph.replay()  # type: ignore[union-attr]
        return self._result

    def _on_side_stream(self) -> Result:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            result = self._work()
        torch.cuda.current_stream().wait_stream(stream)
        return result

    def _capture(self) -> None:
        self._graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            self._graph.register_generator_state(generator)
        # thread_local: a thread that solves couplings may wait for its copies meanwhile.
        with (
            _no_collection(),
            torch.cuda.graph(self._graph, capture_error_mode="thread_local"),
        ):
            self._result = self._work()


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Collect what nobody uses any more, and nothing more in the block.

    A graph that another training left behind is in a cycle of references. CUDA does not let it be
    freed while work is recorded: the recording would fail.
    """
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
