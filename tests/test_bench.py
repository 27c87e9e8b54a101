"""``twostep bench``: every target runs, and its record is whole."""

from __future__ import annotations

import json

import pytest

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
    assert rows["stage II", "engine, 10 steps a batch"]["coupling_lag"] == 20.0
    for name in ("engine, none ahead", "couplings by pot"):
        assert rows["stage II", name]["coupling_lag"] == 0.0
        assert 0.0 < rows["stage II", name]["share_of_couplings"] < 1.0
    assert "couplings by pot" in capsys.readouterr().out


def test_bench_sampling_counts_every_particle(tmp_path):
    file = tmp_path / "sampling.json"
    assert main(["bench", "sampling", "--particles", "5000", "--json", str(file)]) == 0
    (row,) = json.loads(file.read_text())["rows"]
    assert row["particles"] == 5000
    assert 0.0 < row["seconds"] <= row["slowest"]
