"""Planar problems: their laws, seeds and arguments."""

from __future__ import annotations

import numpy as np
import pytest

from twostep_rs import experiments
from twostep_rs.errors import InputError, ShapeError
from twostep_rs.systems import Gaussians8, Imbalanced, Oval, System
from twostep_rs.systems.description import describe, restore
from twostep_rs.systems.planar import PROBLEMS


@pytest.mark.parametrize("problem", PROBLEMS.values())
def test_one_seed_fixes_source_and_target_apart(problem):
    system = problem()
    assert isinstance(system, System)
    cloud, again = system.simulate(1.0, n=50, seed=3), system.simulate(7.0, n=50, seed=3)
    assert np.array_equal(cloud.source, again.source)
    assert np.array_equal(cloud.target, again.target)
    assert np.array_equal(cloud.source, system.prior(50, 3))
    assert not cloud.paired
    assert not np.isclose(system.simulate(1.0, n=50, seed=4).target, cloud.target).any()
    given = system.simulate(1.0, n=50, seed=3, source=cloud.target)
    assert np.array_equal(given.source, cloud.target)
    assert np.array_equal(given.target, cloud.target)


@pytest.mark.parametrize("problem", PROBLEMS.values())
def test_a_problem_comes_back_from_its_description(problem):
    assert type(restore(describe(problem()))) is problem


@pytest.mark.parametrize("problem", [Gaussians8, Imbalanced])
def test_modes_have_their_masses_centres_and_deviation(problem):
    system = problem()
    points = system.simulate(1.0, n=100_000, seed=0).target
    error = np.sqrt(system.masses * (1 - system.masses) / len(points))
    assert (np.abs(system.found_masses(points) - system.masses) < 5 * error).all()
    modes = system.modes(points)
    for k, centre in enumerate(system.centres):
        inside = points[modes == k] - centre
        assert np.abs(inside.mean(axis=0)).max() < 5 * system.deviation / np.sqrt(len(inside))
        # Tails that are nearer to another centre are counted there.
        assert inside.std() == pytest.approx(system.deviation, rel=0.02)


def test_an_oval_goes_to_a_circle():
    cloud = Oval().simulate(1.0, n=50_000, seed=0)
    axes = np.array([2.0, 0.5])
    np.testing.assert_allclose(cloud.source.var(axis=0), 0.5 * axes**2 + 0.05**2, rtol=0.02)
    radius = np.linalg.norm(cloud.target, axis=1)
    assert radius.mean() == pytest.approx(1.0, abs=0.005)
    assert radius.std() == pytest.approx(0.05, rel=0.02)


def test_arguments_are_checked():
    system = Oval()
    with pytest.raises(InputError, match="n: expected at least 1, got 0"):
        system.prior(0, 1)
    with pytest.raises(InputError, match="seed: expected an integer from 0 to"):
        system.prior(1, -1)
    with pytest.raises(ShapeError, match=r"source: expected shape \(3, 2\), got \(2, 2\)"):
        system.simulate(1.0, n=3, seed=0, source=np.zeros((2, 2)))


@pytest.mark.parametrize("name", ["gaussians8", "oval", "imbalanced"])
@pytest.mark.parametrize("preset", ["quick", "full", "paper"])
def test_every_experiment_has_every_preset(name, preset):
    experiment = experiments.get(name)
    config = experiment.config(preset)
    assert (config.experiment, config.preset) == (name, preset)
    assert experiment.system("paper").dim == 2
    for method in ("w-flow", "drifting"):
        assert config.for_method(method).stage_1.width == config.stage_1.width
