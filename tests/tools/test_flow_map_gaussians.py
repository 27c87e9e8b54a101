"""The tool that trains every method on a flow map that is known."""

from __future__ import annotations

import json
import sys

import flow_map_gaussians as tool
import pytest
import torch

from flow_map_oracle import JvpMap


class Truth(JvpMap):
    """The known map, with an error of a given size in its mean velocity."""

    def __init__(self, error=0.0):
        super().__init__()
        self.error = error

    def condition(self, parameter, seen=None):
        return None

    def mean_velocity(self, x, s, t, condition):
        moved = (tool.truth(x.double(), s.double(), t.double()) - x) / (t - s).double()
        return (moved * (1.0 + self.error)).float()


def test_the_known_map_keeps_the_law_of_the_paths():
    n = 100_000
    s, t = torch.full((n, 1), 0.3), torch.full((n, 1), 0.9)
    mean, deviation = tool.law(s)
    image = tool.truth(mean + deviation * torch.randn(n, 2), s, t)
    mean, deviation = (part[0] for part in tool.law(t))
    torch.testing.assert_close(image.mean(0), mean, rtol=0, atol=0.015)
    torch.testing.assert_close(image.std(0), deviation, rtol=0.02, atol=0)


def test_a_map_is_as_far_from_the_known_one_as_it_was_moved():
    exact, wrong = (tool.measure(Truth(error)) for error in (0.0, 0.05))
    assert exact["map"] < 1e-4
    assert exact["inverse"] < 1e-4
    assert exact["composition"] < 1e-4
    assert wrong["map"] == pytest.approx(0.05, rel=1e-3)
    assert wrong["jumps"]["1"] == pytest.approx(0.05, rel=1e-3)


def test_methods_that_are_done_are_not_done_again(tmp_path, monkeypatch):
    path = tmp_path / "known.json"
    path.write_text('{"rows": [{"method": "LSD", "map": 1.0}]}', encoding="utf-8")
    small = ["--jobs=1", "--particles=200", "--width=8", "--steps=3", "--batch=16"]
    monkeypatch.setattr(sys, "argv", ["", str(path), *small, "--methods", "LSD", "PFMM"])
    tool.main()
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
    assert [row["method"] for row in rows] == ["PFMM", "LSD"]
    assert 0.0 < rows[0]["map"] < 2.0
    assert rows[1] == {"method": "LSD", "map": 1.0}
