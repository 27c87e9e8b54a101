"""Rivals on eight Gaussians, after a training of seconds: none of them is a straw man."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from twostep_rs import experiments, ot
from twostep_rs.methods import registry
from twostep_rs.systems import Gaussians8
from twostep_rs.training.data import TrainingData

PROBLEM = Gaussians8()
N = 1_000

# Bars are multiples of the sampling floor of W2; a source that stays as it is has more than 3.
RIVALS = [
    ("flow-matching", {"evaluations": 30}, 1.4),
    ("sf2m", {"evaluations": 30}, 1.4),
    ("lsd", {}, 1.7),
    ("imm", {"group": 64, "learning_rate": 2e-3}, 2.0),
    ("w-flow", {"steps": 200, "held_out": 500, "looks": 4}, 1.6),
]


@pytest.fixture(scope="module")
def references():
    clouds = [PROBLEM.simulate(1.0, n=N, seed=100 + k).target for k in range(8)]
    floor = np.mean([ot.emd(*pair).cost for pair in zip(clouds[::2], clouds[1::2], strict=True)])
    return clouds, float(floor)


@pytest.mark.parametrize(("name", "changes", "bar"), RIVALS)
def test_a_rival_finds_eight_modes(references, name, changes, bar):
    clouds, floor = references
    config = experiments.get("gaussians8").config("quick").for_method(name).stage_1
    settings = {"steps": 600, "ema": 0.99, **changes}
    if hasattr(config, "coupling"):
        settings["coupling"] = "independent"
    data = TrainingData.from_clouds({1.0: PROBLEM.simulate(1.0, n=10_000, seed=1)})
    net = registry.get(name).implementation.train(data, replace(config, **settings), seed=0)
    costs = []
    for k, cloud in enumerate(clouds[:4]):
        source = torch.from_numpy(PROBLEM.prior(N, 200 + k)).float()
        costs.append(ot.emd(net.transport(source, torch.ones(N, 1)), cloud).cost)
    assert (np.mean(costs) / floor) ** 0.5 < bar
    assert ot.emd(source, cloud).cost > 9.0 * floor  # nothing is near by itself
