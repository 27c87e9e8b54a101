"""Generators that follow a velocity: W-Flow and drifting as methods of stage I."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import twostep_rs as ts
from training_problem import CONFIG, Shift, clouds
from twostep_rs.errors import ConfigError, InputError
from twostep_rs.losses.matching import MatchingBatch, images, matching_loss
from twostep_rs.methods import registry
from twostep_rs.models.features import Scaling
from twostep_rs.models.meanflow import AverageVelocity
from twostep_rs.training.checkpoint import CheckpointFile
from twostep_rs.training.data import TrainingData
from twostep_rs.training.held_out import HeldOut

DATA = TrainingData.from_clouds(clouds(n=300))
SIZES = {
    "width": 16,
    "depth": 2,
    "steps": 12,
    "batch": 120,
    "held_out": 50,
    "looks": 3,
    "ema": 0.9,
    "learning_rate": 5e-3,
}
NAMES = ("w-flow", "drifting")


def settings(name, **changes):
    return registry.get(name).config(**{**SIZES, **changes})


def run(name, data=DATA, *, config=None, seed=0, **options):
    config = settings(name) if config is None else config
    return registry.get(name).implementation.train(data, config, seed=seed, **options)


def weights(net):
    return torch.cat([tensor.flatten() for tensor in net.state_dict().values()])


class KilledError(Exception):
    pass


def killed_at(step):
    def progress(done, _):
        if done == step:
            raise KilledError

    return progress


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("w-flow", {}),
        ("w-flow", {"energy": "exact"}),
        ("w-flow", {"energy": "kl", "epsilons": (0.2,)}),
        ("w-flow", {"normalised": True, "step_size": 0.1}),
        ("drifting", {"temperatures": (0.2,)}),
    ],
)
def test_a_shift_is_learned_at_every_parameter(name, changes):
    net = run(name, config=settings(name, steps=120, ema=0.95, learning_rate=2e-2, **changes))
    source = torch.from_numpy(Shift().prior(400, 99)).float()
    for parameter in DATA.parameters:
        moved = net.transport(source, torch.full((400, 1), parameter))
        target = Shift().simulate(parameter, n=400, seed=98).target
        floor = ts.ot.emd(Shift().simulate(parameter, n=400, seed=97).target, target).cost
        assert ts.ot.emd(moved, target).cost < 1.6 * floor + 0.02


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("changes", [{}, {"energy": "exact"}])
def test_threads_and_a_kill_change_nothing(name, changes, tmp_path):
    if name == "drifting" and changes:
        pytest.skip("drifting has one energy")
    config = settings(name, **changes)
    whole = run(name, config=config, threads=1)
    assert torch.equal(weights(run(name, config=config, threads=3)), weights(whole))
    file = CheckpointFile(tmp_path / "stage_1.pt", every_seconds=0.0)
    with pytest.raises(KilledError):
        run(name, config=config, checkpoint=file, progress=killed_at(7))
    resumed = run(name, config=config, checkpoint=file)
    assert torch.equal(weights(resumed), weights(whole))


def test_a_torus_is_learned_through_its_faces():
    period = 2.0 * np.pi
    random = np.random.default_rng(0)
    source = np.mod(0.3 * random.normal(size=(2000, 2)), period)
    target = np.mod(0.3 * random.normal(size=(2000, 2)) - 0.5, period)
    data = TrainingData.from_clouds(
        {1.0: ts.systems.Cloud(source, target, paired=False)}, (period, period)
    )
    net = run("w-flow", data, config=settings("w-flow", steps=80, ema=0.95, learning_rate=2e-2))
    moved = net.transport(data.source[0], torch.ones(2000, 1))
    assert (moved - data.source[0]).abs().max() < 2.0  # nobody goes around
    before = ts.ot.emd(source[:500], target[:500], period=period).cost
    assert ts.ot.emd(moved[:500], target[:500], period=period).cost < 0.15 * before


@pytest.mark.parametrize("name", NAMES)
def test_a_method_makes_a_model_that_comes_back_from_its_file(name, tmp_path):
    config = CONFIG.for_method(name)
    config = replace(config, stage_1=replace(config.stage_1, held_out=40, steps=5))
    model = ts.fit(Shift(), parameters=(1.0, 2.0, 4.0), config=config)
    model.save(tmp_path)
    loaded = ts.load(tmp_path, system=Shift())
    assert loaded.config == model.config
    assert np.array_equal(loaded.sample(3.0, n=9), model.sample(3.0, n=9))


def test_the_loss_is_the_squared_step_and_its_gradient_that_of_the_velocity():
    torch.manual_seed(0)
    scaling = Scaling((0.0, 0.0), (1.0, 1.0), (1.0, 4.0))
    net = AverageVelocity(scaling, width=8, depth=2, head="affine")
    source, step, parameter = torch.randn(20, 2), torch.randn(20, 2), 2.0 * torch.ones(20, 1)
    moved = images(net, source, parameter, parameter)
    torch.testing.assert_close(moved, net.transport(source, parameter))
    batch = MatchingBatch(source, moved.detach() + step, parameter, parameter)
    loss = matching_loss(net, batch).loss
    torch.testing.assert_close(loss, step.square().sum(1).mean())
    weights = list(net.parameters())
    found = torch.autograd.grad(loss, weights)
    expected = torch.autograd.grad(-2 * (moved * step).sum(1).mean(), weights)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_the_latest_weights_that_are_near_are_kept():
    class Moved(torch.nn.Module):
        def __init__(self, by):
            super().__init__()
            self.by = torch.nn.Parameter(torch.tensor(by))

        def transport(self, source, parameter):
            return source + parameter * self.by.detach() * torch.tensor([1.0, 0.0])

    held_out = HeldOut(DATA, 50, torch.device("cpu"))
    net = Moved(0.0)
    for by in (0.2, 0.9, 0.95, 2.0):
        net.by.data.fill_(by)
        held_out.look(net, lambda work, *rows: work(*rows))
    held_out.choose(net)
    assert net.by.item() == pytest.approx(0.95)
    others = HeldOut(DATA, 50, torch.device("cpu"))
    others.restore(held_out.state())
    assert others.distance == held_out.distance


def test_batches_must_fit_beside_what_is_held_out():
    for changes in ({"batch": 800}, {"batch": 5}):
        with pytest.raises(InputError, match=r"stage_1\.batch: expected from 6 to"):
            run("w-flow", config=settings("w-flow", **changes))


def test_strengths_and_widths_must_be_positive():
    with pytest.raises(ConfigError, match="epsilons: expected positive numbers, got"):
        settings("w-flow", epsilons=(0.1, 0.0))
    with pytest.raises(ConfigError, match="temperatures: expected positive numbers, got"):
        settings("drifting", temperatures=())
