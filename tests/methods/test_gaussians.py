"""Every method carries one Gaussian to another: one test of conventions and directions for all."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch

import twostep_rs as ts
from training_problem import with_stages
from twostep_rs.methods import registry
from twostep_rs.systems import Cloud, Domain
from twostep_rs.training.checkpoint import CheckpointFile
from twostep_rs.training.data import TrainingData

SPREAD = np.array([0.7, 1.3])
PARAMETERS = (0.5, 1.0, 1.5)


class Gaussians:
    """Standard normal particles, stretched, and moved along the first axis by the parameter."""

    dim = 2
    domain = Domain()

    def prior(self, n, seed):
        return np.random.default_rng(seed).normal(size=(n, 2))

    def simulate(self, parameter, /, n, seed, source=None):
        source = self.prior(n, seed) if source is None else source
        return Cloud(source, SPREAD * source + parameter * np.array([1.0, 0.0]), paired=True)


def problem(n=4_000):
    clouds = {p: Gaussians().simulate(p, n=n, seed=1) for p in PARAMETERS}
    return TrainingData.from_clouds(clouds)


def configuration(name, **changes):
    """A small network and a short training by the method called ``name``."""
    config = with_stages(
        stage_1={
            "width": 32,
            "steps": 600,
            "batch": 256,
            "learning_rate": 1e-2,
            "ema": 0.98,
            "jitter": 0.0,
            "waves": 0,
            "coupling": "paired",
        }
    ).for_method(name)
    return replace(config.stage_1, **changes)


LEARNED = [
    ("meanflow", {"learning_rate": 3e-3}, 0.15),
    ("imm", {}, 0.1),
    ("imm", {"middle": "uniform", "grounded": 0.25}, 0.1),
    ("imm", {"weighting": "published"}, 0.1),
    ("shortcut", {}, 0.1),
    ("rectified-flow", {"particles": 2_000, "flow_evaluations": 20}, 0.15),
    ("flow-matching", {"coupling": "independent", "evaluations": 20}, 0.15),
    ("flow-matching", {"coupling": "exact", "evaluations": 1}, 0.1),
    ("flow-matching", {"solver": "adaptive", "tolerance": 1e-2}, 0.1),
    ("sf2m", {}, 0.1),
    ("sf2m", {"coupling": "exact", "sampler": "sde", "noise": 0.5}, 0.15),
]


# Their trainings have phases, or batches of whole clouds; how they resume is tested elsewhere.
_FEW = {"steps": 150, "batch": 384, "held_out": 200, "looks": 3}
OTHERS = [
    *((name, {"steps": 300}, 0.1) for name in ("lmd", "eulerian", "fmm", "pfmm")),
    *((name, {"steps": 400}, 0.1) for name in ("lsd", "esd")),
    ("psd", {"steps": 800}, 0.15),
    ("w-flow", {**_FEW, "epsilons": (0.05,)}, 0.05),
    ("drifting", {**_FEW, "temperatures": (0.2,)}, 0.1),
]


def require_the_other_gaussian(carry, tolerance):
    """The mean says which way time goes, the deviations what the law is."""
    source = torch.from_numpy(Gaussians().prior(4_000, 99)).float()
    for parameter in (0.5, 1.25):
        moved = carry(source, torch.full((4_000, 1), parameter))
        expected = torch.tensor([parameter, 0.0])
        torch.testing.assert_close(moved.mean(0), expected, rtol=0, atol=tolerance)
        spread = torch.from_numpy(SPREAD).float()
        torch.testing.assert_close(moved.std(0) / spread, torch.ones(2), rtol=0, atol=tolerance)


@pytest.mark.parametrize(("name", "changes", "tolerance"), [*LEARNED, *OTHERS])
def test_every_method_carries_a_gaussian_to_another(name, changes, tolerance):
    config = configuration(name, **changes)
    generator = registry.get(name).implementation.train(
        problem(), config, seed=0, prior=Gaussians().prior
    )
    random = torch.Generator().manual_seed(0)
    require_the_other_gaussian(functools.partial(generator.transport, random=random), tolerance)


def test_deep_particle_alone_carries_a_gaussian_to_another():
    config = with_stages(
        stage_2={"width": 32, "steps": 200, "batch": 300, "ema": 0.95, "learning_rate": 1e-2}
    ).for_method("deep-particle")
    model = ts.fit({p: Gaussians().simulate(p, n=2_000, seed=1) for p in PARAMETERS}, config=config)
    require_the_other_gaussian(lambda x, p: model.transport(x, float(p[0])), 0.15)


def test_no_method_is_left_out():
    """A new method has to say here how far it is from the other Gaussian."""
    assert {name for name, *_ in [*LEARNED, *OTHERS]} | {"deep-particle"} == set(registry.METHODS)


def test_the_sphere_replaces_the_source():
    """A shell that is stretched has the moments of the ball's image: a third in three axes."""
    config = configuration("sf2m", start="sphere", coupling="exact", noise=0.05)
    generator = registry.get("sf2m").implementation.train(problem(), config, seed=0)
    source = torch.from_numpy(Gaussians().prior(500, 99)).float()
    column = torch.full((500, 1), 2.0)
    far = generator.transport(3.0 * source, column)
    torch.testing.assert_close(far, generator.transport(source, column), rtol=0, atol=1e-3)
    torch.testing.assert_close(far.mean(0), torch.tensor([2.0, 0.0]), rtol=0, atol=0.15)


class KilledError(Exception):
    pass


@pytest.mark.parametrize("name", sorted({name for name, *_ in LEARNED}))
def test_a_training_goes_on_where_it_was_killed(tmp_path, name):
    config = configuration(name, steps=8, batch=64, width=8)
    train = registry.get(name).implementation.train
    path = tmp_path / "stage_1.pt"
    seen = []

    def killed(step, steps):
        seen.append((step, steps))
        if step == 6:
            raise KilledError

    with pytest.raises(KilledError):
        train(problem(200), config, seed=0, checkpoint=CheckpointFile(path, 0.0), progress=killed)
    assert seen == [(step, 8) for step in range(1, 7)]
    logged = []
    resumed = train(
        problem(200), config, seed=0, checkpoint=CheckpointFile(path, 0.0), log=logged.append
    )
    assert [row["step"] for row in logged] == [7.0, 8.0]
    whole = train(problem(200), config, seed=0, threads=3)
    for found, expected in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("name", registry.METHODS)
def test_a_model_of_every_method_comes_back_from_its_file(tmp_path, name):
    config = with_stages(stage_1={"steps": 4}, stage_2={"steps": 2}).for_method(name)
    model = ts.fit(Gaussians(), parameters=PARAMETERS, config=config)
    model.save(tmp_path)
    loaded = ts.load(tmp_path, system=Gaussians())
    assert (loaded.corrector is None) == (config.stages == 1)
    assert np.array_equal(loaded.sample(2.0, n=9), model.sample(2.0, n=9))
    found = loaded.stage_1.sample(2.0, n=9, evaluations=3)
    assert found.shape == (9, 2)
    assert np.isfinite(found).all()


def test_random_paths_are_fixed_by_the_seed_and_take_no_stage_2():
    config = with_stages(stage_1={"steps": 4}).for_method("sf2m")
    config = replace(config, stage_1=replace(config.stage_1, sampler="sde"))
    model = ts.fit(Gaussians(), parameters=PARAMETERS, config=config)
    source = Gaussians().prior(9, 0)
    one, same, other = (model.transport(source, 2.0, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    with pytest.raises(ts.errors.InputError, match="stage_1: expected paths that their source"):
        ts.fit(Gaussians(), parameters=PARAMETERS, config=replace(config, stages=2))
