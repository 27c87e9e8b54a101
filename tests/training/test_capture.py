"""What recording a step does around the recording itself; the graphs here are none."""

from __future__ import annotations

import contextlib
import gc
import weakref

import pytest
import torch

from twostep_rs.training.capture import Replayed


class Graph:
    def register_generator_state(self, generator):
        pass

    def replay(self):
        pass


class Owner:
    """Keeps a graph in a cycle of references, as an engine does."""

    def __init__(self, graph):
        self.graph, self.itself = graph, self


@pytest.fixture
def recording(monkeypatch):
    """Whether something is recorded now, and whether something was when a graph was freed."""
    state = {"now": False, "freed": []}

    @contextlib.contextmanager
    def record(graph, capture_error_mode):
        state["now"] = True
        yield
        state["now"] = False

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", record)
    monkeypatch.setattr(Replayed, "_on_side_stream", lambda self: self._work())
    return state


def leave_a_graph(state):
    graph = Graph()
    weakref.finalize(graph, lambda: state["freed"].append(state["now"]))
    Owner(graph)


def test_no_graph_is_freed_while_another_is_recorded(recording):
    step = Replayed(lambda: [Owner(None) for _ in range(5000)])
    for _ in range(3):
        step()
    gc.disable()
    leave_a_graph(recording)
    gc.enable()
    step()
    assert recording["freed"] == [False]


def test_collection_goes_on_afterwards_where_it_was_on(recording):
    seen = []
    step = Replayed(lambda: seen.append(gc.isenabled()))
    for _ in range(5):
        step()
    assert seen == [True, True, True, False]
    assert gc.isenabled()
    gc.disable()
    try:
        Replayed(lambda: None)._capture()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_step_that_cannot_be_recorded_leaves_collection_on(recording):
    def fail():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        Replayed(fail)._capture()
    assert gc.isenabled()
