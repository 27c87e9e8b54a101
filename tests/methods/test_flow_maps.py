"""Every method that learns a flow map, from the batch to a map that resumes and is recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from training_problem import STAGE_1, Shift, clouds
from twostep_rs.config import Config
from twostep_rs.errors import ConfigError
from twostep_rs.methods import registry
from twostep_rs.systems import Checkerboard, Cloud
from twostep_rs.training import engine, loss_scale
from twostep_rs.training.capture import Replayed
from twostep_rs.training.checkpoint import CheckpointFile
from twostep_rs.training.data import TrainingData
from twostep_rs.training.two_times import draw_two_times

NAMES = ("lmd", "eulerian", "fmm", "pfmm", "lsd", "psd", "esd")
DATA = TrainingData.from_clouds(clouds())
SMALL = Config(stage_1=replace(STAGE_1, coupling="paired"))

VARIANTS = [
    *((name, {}) for name in NAMES),
    ("lmd", {"backward": True, "noise": 0.3}),
    ("eulerian", {"share": 0.1}),
    ("pfmm", {"pairwise": True}),
    ("psd", {"middle": "uniform"}),
    ("lsd", {"half": True}),
    ("esd", {"stop": "gradient"}),
    ("esd", {"stop": "derivative"}),
]

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def trained(name, changes=None, data=DATA, **options):
    config = replace(SMALL.for_method(name).stage_1, **(changes or {}))
    return registry.get(name).implementation.train(data, config, seed=0, **options)


def weights(net):
    return torch.cat([tensor.flatten().cpu() for tensor in net.state_dict().values()])


class KilledError(Exception):
    pass


def killed_at(step):
    def progress(done, _):
        if done == step:
            raise KilledError

    return progress


@pytest.mark.parametrize(("name", "changes"), VARIANTS, ids=str)
def test_a_shift_is_learned(name, changes):
    budget = {"width": 32, "steps": 250, "batch": 100, "ema": 0.95, "learning_rate": 4e-3}
    if name in ("lsd", "psd", "esd"):
        budget |= {"steps": 500, "equal_times": 0.5}
    net = trained(name, budget | changes)
    source = torch.from_numpy(Shift().prior(500, 99)).float()
    for parameter, tolerance in ((1.0, 0.3), (3.0, 0.45)):
        column = torch.full((500, 1), parameter)
        for evaluations in (None, 3):
            target = net.transport(source, column, evaluations=evaluations)
            error = target - source - torch.tensor([parameter, 0.0])
            assert error.square().mean().sqrt() < tolerance


@pytest.mark.parametrize("step", [1, 7, 8, 9, 16])
@pytest.mark.parametrize(("name", "half"), [("lmd", False), ("pfmm", False), ("lmd", True)])
def test_phases_resume_to_the_same_bits(tmp_path, monkeypatch, name, half, step):
    monkeypatch.setattr(loss_scale, "_INTERVAL", 3)
    path, changes = tmp_path / "stage_1.ckpt", {"steps": 8, "half": half}
    with pytest.raises(KilledError):
        trained(name, changes, checkpoint=CheckpointFile(path, 0.0), progress=killed_at(step))
    resumed = trained(name, changes, checkpoint=CheckpointFile(path, 0.0))
    assert torch.equal(weights(resumed), weights(trained(name, changes)))


def test_progress_and_log_tell_of_all_phases():
    seen, rows = [], []
    trained("pfmm", {"steps": 5}, progress=lambda *a: seen.append(a), log=rows.append)
    assert seen == [(step, 10) for step in range(1, 11)]
    assert [row["phase"] for row in rows] == [1.0] * 5 + [2.0] * 5
    assert all(row["loss"] > 0.0 for row in rows)


def test_a_matched_map_takes_as_many_jumps_as_it_was_trained_for():
    assert trained("fmm", {"steps": 2, "longest": 0.3}).evaluations == 4
    joined = trained("pfmm", {"steps": 2, "jumps": 4})
    assert joined.evaluations == 1
    assert all(weight.requires_grad is False for weight in joined.parameters())


@pytest.mark.parametrize("name", ["lsd", "fmm"])
def test_the_number_of_threads_changes_nothing(monkeypatch, name):
    monkeypatch.setattr(engine, "_ROWS", 20)
    one, two = (weights(trained(name, {"steps": 6}, threads=threads)) for threads in (1, 2))
    assert torch.equal(one, two)


def test_independent_particles_of_a_planar_problem_are_accepted():
    cloud = Checkerboard().simulate(1.0, n=300, seed=0)
    net = trained(
        "lsd",
        {"coupling": "independent", "steps": 3},
        data=TrainingData.from_clouds({1.0: cloud}),
    )
    assert net.transport(torch.randn(5, 2), torch.ones(5, 1)).shape == (5, 2)


def test_bent_paths_on_a_torus_are_refused():
    cloud = Cloud(*(Shift().prior(50, seed) % 3.0 for seed in (0, 1)), paired=False)
    data = TrainingData.from_clouds({1.0: cloud, 2.0: cloud}, (3.0, 3.0))
    with pytest.raises(ConfigError, match="interpolant: expected 'linear' on a torus, got 'var"):
        trained("lmd", {"interpolant": "variance-preserving", "coupling": "exact"}, data=data)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("longest", [0.25, 1.0])
def test_times_are_uniform_on_the_pairs_that_are_allowed(backward, longest):
    random = torch.Generator().manual_seed(0)
    n = 40_000
    times = draw_two_times(n, random, longest=longest, backward=backward, diagonal=100)
    assert (times.s[:100] == times.t[:100]).all()
    s, t = times.s[100:, 0].double(), times.t[100:, 0].double()
    assert ((t - s).abs() <= longest + 1e-6).all()
    assert torch.minimum(s, t).min() >= 0.0
    assert torch.maximum(s, t).max() <= 1.0
    assert ((t < s).double().mean() - 0.5 * backward).abs() < 0.02
    # The same moments as those of uniform pairs, by rejection.
    pairs = torch.rand(20 * n, 2, generator=random).double()
    gap = (pairs[:, 1] - pairs[:, 0]).abs()
    pairs = pairs[gap <= longest]
    for of in (lambda a, b: (a - b).abs(), torch.minimum, lambda a, b: a * b):
        expected, found = of(pairs[:, 0], pairs[:, 1]), of(s, t)
        error = found.std() / n**0.5 + expected.std() / len(pairs) ** 0.5
        assert (found.mean() - expected.mean()).abs() < 4 * error


@needs_gpu
@pytest.mark.parametrize(("name", "changes"), VARIANTS, ids=str)
def test_a_recorded_training_equals_one_that_is_not(monkeypatch, name, changes):
    recorded = trained(name, {"steps": 8} | changes, device="cuda")

    class Eager(Replayed):
        def __init__(self, work, generators, *, captured):
            super().__init__(work, generators, captured=False)

    monkeypatch.setattr(engine, "Replayed", Eager)
    eager = trained(name, {"steps": 8} | changes, device="cuda")
    torch.testing.assert_close(weights(eager), weights(recorded), rtol=1e-4, atol=1e-6)
