"""The order of batches in stage II, and couplings in the background."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import twostep_rs as ts
from training_problem import STAGE_1, STAGE_2, clouds
from twostep_rs.errors import ConfigError
from twostep_rs.methods import meanflow
from twostep_rs.training import stage_2
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


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_metrics_say_how_old_the_couplings_are(ahead):
    first = meanflow.train(DATA, STAGE_1, seed=0)
    rows = []
    config = replace(POOL, ahead=ahead)
    stage_2.train(first, DATA, config, seed=0, log=rows.append)
    # At the beginning of a round nothing is known from before.
    expected = [float(min(2 * ahead, step % 16 - step % 2)) for step in range(32)]
    assert [row["coupling_lag"] for row in rows] == expected


def test_couplings_ahead_without_a_second_one_are_refused():
    with pytest.raises(ConfigError, match="ahead: expected 0 where"):
        replace(STAGE_2, batch_period=6, refresh=6, ahead=1)


def test_batches_that_do_not_return_are_coupled_ahead_by_the_network_of_then():
    """Batches of one coupling each, by hand, with what was submitted two couplings before."""
    config = replace(STAGE_2, pool=6, visits=1, batch_period=2, refresh=2, ahead=2, steps=12)
    first = meanflow.train(DATA, STAGE_1, seed=0)
    training = stage_2._Training(first, DATA, config, 0, None)
    moved, coupled = [], []
    begin, finish = training._couplings.begin, training._couplings.finish

    def record(number, pairs):
        moved.append((training.step, number, pairs[0][0].clone()))
        return begin(number, pairs)

    def check(number, pending):
        permutations = finish(number, pending)
        _, _, x = next(entry for entry in moved if entry[1] == number)
        y = training._pairs(number)[0][1]
        best = torch.tensor([ts.ot.emd(a, b).cost for a, b in zip(x, y, strict=True)])
        torch.testing.assert_close(cost(x, y, permutations[0]), best, rtol=1e-5, atol=0)
        coupled.append(number)
        return permutations

    training._couplings.begin, training._couplings.finish = record, check
    for _ in range(config.steps):
        training.advance()
    assert coupled == list(range(6))
    assert [(step, number) for step, number, _ in moved] == [
        *((0, 0), (0, 1), (0, 2), (2, 3), (4, 4), (6, 5))
    ]
    assert not training._carried
