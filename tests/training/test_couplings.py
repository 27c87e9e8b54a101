"""The order of batches in stage II, and couplings in the background."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import twostep_rs as ts
from training_problem import STAGE_1, STAGE_2, clouds
from twostep_rs.errors import ConfigError
from twostep_rs.training import stage_1, stage_2
from twostep_rs.training.couplings import Couplings
from twostep_rs.training.data import TrainingData
from twostep_rs.training.visits import coupling_of, next_coupling

DATA = TrainingData.from_clouds(clouds())
POOL = replace(STAGE_2, pool=2, visits=2, batch_period=4, refresh=2, steps=32)


def cost(x, y, permutation):
    moved = y.gather(1, permutation.unsqueeze(2).expand_as(y))
    return (x - moved).square().sum(2).mean(1)


def test_couplings_are_optimal_cold_and_warm():
    random = torch.Generator().manual_seed(0)
    x, y, z = torch.randn(3, 4, 50, 3, generator=random)
    couplings = Couplings()
    for shift in (0.0, 0.01):
        found = couplings.finish(7, couplings.begin(7, [(x + shift, y), (x + shift, z)]))
        for permutation, other in zip(found, (y, z), strict=True):
            expected = [ts.ot.emd(a + shift, b).cost for a, b in zip(x, other, strict=True)]
            torch.testing.assert_close(
                cost(x + shift, other, permutation), torch.tensor(expected), rtol=1e-5, atol=0
            )
    assert couplings.seconds > 0.0


def test_batches_take_turns_within_a_round():
    steps = range(32)
    found = [coupling_of(step, POOL) for step in steps]
    assert [c.batch for c in found[::4]] == [0, 1, 0, 1, 2, 3, 2, 3]
    assert [c.step for c in found] == [step - step % 2 for step in steps]
    assert [c.step for c in found if c.first_of_round and c.step % 16] == []
    chain = [coupling_of(0, POOL)]
    while chain[-1].step < 30:
        chain.append(next_coupling(chain[-1], POOL))
    assert chain == found[::2]


def test_the_end_of_a_visit_ends_a_coupling():
    config = replace(STAGE_2, batch_period=5, refresh=3)
    chain = [coupling_of(0, config)]
    for _ in range(4):
        chain.append(next_coupling(chain[-1], config))
    assert [(c.step, c.batch) for c in chain] == [(0, 0), (3, 0), (5, 1), (8, 1), (10, 2)]


@pytest.mark.parametrize("overlap", [False, True])
def test_metrics_say_how_old_the_couplings_are(overlap):
    first = stage_1.train(DATA, STAGE_1, seed=0)
    rows = []
    config = replace(POOL, overlap=overlap)
    stage_2.train(first, DATA, config, seed=0, log=rows.append)
    # At the beginning of a round nothing is known from before.
    expected = [2.0 if overlap and step % 16 >= 2 else 0.0 for step in range(32)]
    assert [row["coupling_lag"] for row in rows] == expected


def test_an_overlap_without_a_second_coupling_is_refused():
    with pytest.raises(ConfigError, match="overlap: expected False where"):
        replace(STAGE_2, batch_period=6, refresh=6, overlap=True)
