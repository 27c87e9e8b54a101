"""Two processes that train together end where one alone does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from training_problem import STAGE_1, STAGE_2, clouds
from twostep_rs.cli import main
from twostep_rs.methods import meanflow
from twostep_rs.training import stage_2
from twostep_rs.training.data import TrainingData

SCRIPT = """
import sys
import torch
from test_distributed import train
from twostep_rs.errors import InputError
from twostep_rs.training import distributed

ranks = distributed.join()
assert ranks.size == 2
for name, net in zip(("first", "second"), train(), strict=True):
    torch.save(net.state_dict(), f"{sys.argv[1]}/{name}-{ranks.rank}")
try:
    train(seed=ranks.rank)
except InputError as error:
    print("refused:", error)
distributed.leave()
"""


def train(seed=0):
    # An odd number of rows, and three problems: the shares are unequal.
    data = TrainingData.from_clouds(clouds())
    first = meanflow.train(data, replace(STAGE_1, batch=65, steps=6), seed=seed)
    config = replace(STAGE_2, pool=2, visits=2, batch_period=2, refresh=1, ahead=1, steps=9)
    return first, stage_2.train(first, data, config, seed=seed)


def torchrun(arguments, cwd):
    here = Path(__file__).parent
    path = os.pathsep.join([str(here.parent), str(here)])
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*launcher, "--nproc-per-node", "2", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.slow
def test_two_ranks_train_what_one_process_does(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = torchrun([str(script), str(tmp_path)], tmp_path)
    assert done.returncode == 0, done.stderr
    # Ranks print at once.
    refusal = "ranks: expected the same data, configuration and seed, got different ones"
    assert done.stdout.count(refusal) == 2
    for name, net in zip(("first", "second"), train(), strict=True):
        found = [torch.load(tmp_path / f"{name}-{rank}") for rank in (0, 1)]
        for key, expected in net.state_dict().items():
            assert torch.equal(found[0][key], found[1][key])
            torch.testing.assert_close(found[0][key], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_two_ranks_train_a_run_as_one_process_does(tmp_path):
    words = ["simulate", "ks3d-laminar", "--out", "run", "--set", "simulation.particles=100"]
    words += ["simulation.parameters=20,50,100", "stage_1.steps=5", "stage_1.batch=64"]
    words += ["stage_2.steps=5", "stage_2.batch=40"]
    assert main([word if word != "run" else str(tmp_path / "run") for word in words]) == 0
    shutil.copytree(tmp_path / "run", tmp_path / "alone")
    done = torchrun(["-m", "twostep_rs", "train", "run"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("weights.safetensors") == 1
    assert main(["train", str(tmp_path / "alone")]) == 0
    weights, expected = (
        load_file(tmp_path / name / "weights.safetensors") for name in ("run", "alone")
    )
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-3, atol=1e-5)
