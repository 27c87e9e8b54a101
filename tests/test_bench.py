"""``twostep bench``: every target runs, and its record is whole."""

from __future__ import annotations

import json
import sys
import types

import pytest

import twostep_rs as ts
from twostep_rs.cli import main


@pytest.mark.slow
def test_bench_training_compares_steps_and_couplings(tmp_path, capsys):
    pytest.importorskip("ot")
    file = tmp_path / "training.json"
    words = ["bench", "training", "--rival-steps", "2", "--json", str(file), "--set"]
    words += ["simulation.particles=200", "simulation.parameters=20,100", "stage_1.batch=64"]
    words += ["stage_1.steps=5", "stage_2.batch=50", "stage_2.steps=40", "stage_2.refresh=2"]
    assert main([*words, "stage_2.batch_period=2"]) == 0
    record = json.loads(file.read_text())
    assert record["command"].startswith("twostep")
    rows = {(row["case"], row["method"]): row for row in record["rows"]}
    assert rows["stage I step", "eager, torch.func.jvp"]["times_eager"] == 1.0
    assert rows["stage II", "engine, 10 steps a batch"]["coupling_lag"] == 30.0
    for name in ("engine, none ahead", "couplings by pot"):
        assert rows["stage II", name]["coupling_lag"] == 0.0
        assert 0.0 < rows["stage II", name]["share_of_couplings"] < 1.0
    assert "couplings by pot" in capsys.readouterr().out


def test_bench_couplings_trains_both_on_the_same_batches(tmp_path, monkeypatch):
    """torchcfm's place is taken by a sampler of its signature, since it is no test dependency."""
    seen = []

    class Sampler:
        def __init__(self, method, num_threads):
            assert (method, num_threads) == ("exact", ts.get_num_threads())

        def sample_plan(self, x0, x1):
            seen.append(len(x0))
            return x0, x1

    module = types.SimpleNamespace(OTPlanSampler=Sampler)
    monkeypatch.setitem(sys.modules, "torchcfm", types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "torchcfm.optimal_transport", module)
    file = tmp_path / "couplings.json"
    words = ["bench", "couplings", "--batches", "16", "64", "--steps", "3", "--json", str(file)]
    assert main(words) == 0
    assert seen == [16] * 5 + [64] * 5
    rows = json.loads(file.read_text())["rows"]
    assert [(row["method"], row["batch"]) for row in rows] == [
        (method, size) for size in (16, 64) for method in ("twostep_rs", "torchcfm, exact")
    ]
    assert [row["times_less"] for row in rows[1::2]] == [1.0, 1.0]
    assert all(0.0 < row["share_of_couplings"] < 1.0 for row in rows)


def test_bench_sampling_counts_every_particle(tmp_path):
    file = tmp_path / "sampling.json"
    assert main(["bench", "sampling", "--particles", "5000", "--json", str(file)]) == 0
    (row,) = json.loads(file.read_text())["rows"]
    assert row["particles"] == 5000
    assert 0.0 < row["seconds"] <= row["slowest"]


def test_bench_ot_agrees_with_every_rival_and_keeps_other_rows(tmp_path, capsys):
    pytest.importorskip("ot")
    file = tmp_path / "ot.json"
    words = ["bench", "ot", "--smoke", "--json", str(file), "--only"]
    for only in ("near", "torus"):
        assert main([*words, only]) == 0
    record = json.loads(file.read_text())
    rows = {(row["problem"], row["start"]): row for row in record["rows"]}
    assert len(rows) == len(record["rows"])
    for (problem, _), row in rows.items():
        if not problem.startswith("memory"):
            assert row["times_pot"] > 0.0
            assert row["cost_difference"] <= 1e-12
    cold = rows["near, n = 40, d = 3", "cold"]
    assert {"times_pot_lazy", "times_scipy", "times_lapx", "speed_of_2_threads"} <= cold.keys()
    assert rows["near, n = 40, d = 3", "warm, small move"]["times_pot_warm"] > 0.0
    assert ("torus 6^2, 300 particles", "warm, a tenth hops") in rows
    memory = rows["memory, near, n = 40, d = 3", "cold"]
    assert 0.0 <= memory["more_mb"] < memory["peak_mb"] < memory["pot_peak_mb"]
    assert "problem=near, n = 40, d = 3  start=cold" in capsys.readouterr().out
