"""What stages are trained on: pairs and batches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from training_problem import clouds, unpaired
from twostep_rs.systems import Cloud
from twostep_rs.training.batches import Batches
from twostep_rs.training.data import TrainingData


def test_auto_keeps_pairs_that_are_nearly_optimal():
    data = TrainingData.from_clouds(clouds())
    assert data.coupled("auto") is data


def test_auto_takes_the_plan_where_paths_of_the_pairs_cross():
    turned = {p: Cloud(c.source, -c.source, paired=True) for p, c in clouds().items()}
    data = TrainingData.from_clouds(turned)
    found = data.coupled("auto")
    torch.testing.assert_close(found.target, data.coupled("exact").target)
    cost, before = ((d.source - d.target).square().sum(2).mean() for d in (found, data))
    assert cost < 0.5 * before


def test_auto_couples_what_has_no_pairs():
    data = TrainingData.from_clouds(unpaired(clouds()))
    torch.testing.assert_close(data.coupled("auto").target, data.coupled("exact").target)


def test_large_clouds_are_coupled_in_blocks(monkeypatch):
    monkeypatch.setattr("twostep_rs.training.data._LARGEST_PLAN", 199)
    monkeypatch.setattr("twostep_rs.training.data._BLOCK", 80)
    data = TrainingData.from_clouds(unpaired(clouds(n=200)))
    found = data.coupled("exact").target
    for first in (0, 80, 160):
        rows = slice(first, first + 80)
        block = replace(data, source=data.source[:, rows], target=data.target[:, rows])
        torch.testing.assert_close(found[:, rows], block.coupled("exact").target)


@pytest.mark.parametrize("number", [0, 5])
def test_a_batch_and_its_twin_share_no_row(number):
    data = TrainingData.from_clouds(clouds(n=200))
    batch = Batches(data, 100, 0, None, torch.device("cpu"))[number]
    for source, twin, cloud in zip(batch.source, batch.twin, data.source, strict=True):
        rows = np.concatenate([source.numpy(), twin.numpy()])
        assert len(np.unique(rows, axis=0)) == 200
        assert np.isin(rows[:, 0], cloud[:, 0].numpy()).all()
