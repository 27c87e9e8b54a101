"""Both stages where positions are periodic."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

import twostep_rs as ts
from training_problem import CONFIG, STAGE_1, STAGE_2
from twostep_rs.errors import InputError, ShapeError
from twostep_rs.methods import meanflow
from twostep_rs.models.features import (
    ParameterFeatures,
    Scaling,
    Waves,
    nearest_image,
    scaling_of,
    wrapped,
)
from twostep_rs.models.generator import Generator
from twostep_rs.models.meanflow import AverageVelocity, Tangent
from twostep_rs.systems import KPP, Cloud, Domain
from twostep_rs.training import stage_2
from twostep_rs.training.couplings import Couplings
from twostep_rs.training.data import TrainingData

PERIOD = (2.0 * math.pi, 3.0)
LENGTHS = torch.tensor(PERIOD)


class Turn:
    """Uniform particles on a torus that turn by ``parameter`` along the first axis."""

    dim = 2
    domain = Domain(PERIOD)

    def prior(self, n, seed):
        return np.random.default_rng(seed).uniform(size=(n, 2)) * PERIOD

    def simulate(self, parameter, /, n, seed, source=None):
        source = self.prior(n, seed) if source is None else source
        target = np.mod(source + parameter * np.array([1.0, 0.0]), PERIOD)
        return Cloud(source, target, paired=True)


def turned(parameters=(0.5, 1.0, 2.0), n=300):
    clouds = {parameter: Turn().simulate(parameter, n=n, seed=7) for parameter in parameters}
    return TrainingData.from_clouds(clouds, PERIOD)


def rms_error(moved, source, parameter):
    aim = torch.from_numpy(source).float() + torch.tensor([parameter, 0.0])
    moved = torch.as_tensor(moved).float()
    return (nearest_image(moved, aim, LENGTHS) - aim).square().sum(dim=1).mean().sqrt()


def test_stage_1_turns_across_the_cut():
    config = replace(STAGE_1, coupling="paired", waves=0, width=32, steps=500, batch=128, ema=0.99)
    net = meanflow.train(turned(), config, seed=0)
    source = Turn().prior(500, 99)
    for parameter, tolerance in ((0.5, 0.15), (1.5, 0.15), (2.5, 0.3)):
        points = torch.from_numpy(source).float()
        moved = net.transport(points, torch.full((500, 1), parameter))
        assert rms_error(moved, source, parameter) < tolerance


def test_stage_2_carries_a_cluster_across_the_cut():
    class Still(Generator):
        def transport(self, source, parameter, *, evaluations=None, random=None):
            return source

    def cluster(seed, shift=0.0):
        place = np.array([PERIOD[0] - 0.2 + shift, 1.5])
        return np.mod(place + 0.1 * np.random.default_rng(seed).normal(size=(200, 2)), PERIOD)

    clouds = {p: Cloud(cluster(0), cluster(1, shift=p), paired=False) for p in (0.3, 0.4, 0.5)}
    config = replace(STAGE_2, width=32, steps=300, batch=100, batch_period=5, refresh=5, ema=0.9)
    net = stage_2.train(
        Still(),
        TrainingData.from_clouds(clouds, PERIOD),
        replace(config, learning_rate=5e-3),
        seed=0,
    )
    points = torch.from_numpy(cluster(2)).float()
    for parameter in (0.3, 0.45):
        correction = net(points, points, torch.full((200, 1), parameter)) - points
        expected = torch.tensor([parameter, 0.0])
        torch.testing.assert_close(correction.mean(0), expected, rtol=0, atol=0.05)


def test_maps_are_periodic_and_end_on_the_torus(tmp_path):
    model = ts.fit(
        {p: Turn().simulate(p, n=200, seed=1) for p in (0.5, 1.0)}, config=CONFIG, period=PERIOD
    )
    source = Turn().prior(400, 3)
    images = source + np.random.default_rng(0).integers(-3, 4, source.shape) * PERIOD
    for stage in (1, 2):
        moved, same = (model.transport(x, 0.7, stage=stage) for x in (source, images))
        assert ((moved >= 0.0) & (moved < PERIOD)).all()
        gap = torch.from_numpy(moved - same)
        assert nearest_image(gap, torch.zeros(2), LENGTHS.double()).abs().max() < 1e-4
    model.save(tmp_path)
    assert (ts.load(tmp_path).transport(source, 0.7) == model.transport(source, 0.7)).all()
    assert ts.load(tmp_path).generator.scaling.period == PERIOD


def test_a_kpp_system_is_learned_from_unpaired_clouds(tmp_path):
    system = KPP(2, "cell2d", generations=2, dt=2.0**-4, prior="gaussian")
    config = replace(CONFIG, stage_1=replace(STAGE_1, coupling="independent", head="log-affine"))
    model = ts.fit(system, parameters=[0.125, 0.25], config=config)
    cloud = model.sample(0.1, n=50, seed=2)
    assert cloud.shape == (50, 2)
    assert ((cloud >= 0.0) & (cloud < 2.0 * math.pi)).all()
    model.save(tmp_path)
    assert ts.load(tmp_path).system == system


@pytest.mark.parametrize(("waves", "octaves"), [(0, 2), (3, 3)])
def test_waves_are_periodic_and_their_tangent_is_exact(waves, octaves):
    features = Waves(scaling_of(torch.zeros(1, 2), [1.0], PERIOD), waves).double()
    assert features.width == 2 * 2 * octaves
    z = torch.randn(50, 2, dtype=torch.float64)
    direction = torch.randn(50, 2, dtype=torch.float64)
    torch.testing.assert_close(features(z + LENGTHS.double()), features(z), rtol=0, atol=1e-6)
    _, expected = torch.func.jvp(features, (z,), (direction,))
    torch.testing.assert_close(features.tangent(z, direction), expected)


@pytest.mark.parametrize("head", ["plain", "affine", "log-affine"])
def test_tangent_of_the_network_is_exact(head):
    scaling = Scaling((0.0, 0.0), (1.8, 0.9), (0.1, 0.25), PERIOD)
    net = AverageVelocity(scaling, width=16, depth=3, head=head).double()
    z, dz = torch.randn(2, 20, 2, dtype=torch.float64)
    t, h, dt, dh, parameter = torch.rand(5, 20, 1, dtype=torch.float64)
    _, expected = torch.func.jvp(lambda z, t, h: net(z, t, h, parameter), (z, t, h), (dz, dt, dh))
    condition = net.condition(parameter)
    trunk = net.trunk(z, t, h, condition)
    found = net.tangent(z, t, h, condition, Tangent(dz, dt, dh), trunk)
    torch.testing.assert_close(found, expected)


def test_partners_are_the_nearest_images_of_an_optimal_plan():
    rng = np.random.default_rng(0)
    x, y = torch.from_numpy(rng.uniform(size=(2, 1, 60, 2)) * PERIOD)
    lengths = LENGTHS.double()
    couplings = Couplings(period=PERIOD)
    (permutation,) = couplings.finish(0, couplings.begin(0, [(x, y)]))
    partners = nearest_image(y[:, permutation[0]], x, lengths)
    gaps = nearest_image(y[0][None, :] - x[0][:, None], torch.zeros(2), lengths)
    rows, columns = linear_sum_assignment(gaps.square().sum(dim=2))
    best = gaps[rows, columns].square().sum()
    torch.testing.assert_close((partners - x).square().sum(), best)
    assert ((partners - x).abs() <= 0.5 * lengths).all()


def test_points_are_wrapped_into_the_period():
    x = torch.tensor([[-1e-9, 0.0], [2.0 * math.pi, 3.0], [7.0, -1.0]])
    inside = wrapped(x, LENGTHS)
    assert ((inside >= 0.0) & (inside < LENGTHS)).all()
    torch.testing.assert_close(inside[2], torch.tensor([7.0 - 2.0 * math.pi, 2.0]))
    assert wrapped(x, None) is x


def test_logarithmic_head_is_affine_in_the_logarithm():
    scaling = Scaling((0.0,), (1.0,), (0.125, 0.5))
    features = ParameterFeatures(scaling, head="log-affine")
    column = torch.tensor([[0.125], [0.25], [0.5], [1.0]])
    torch.testing.assert_close(features.relative(column), torch.tensor([[-1.0], [0], [1], [2]]))
    with pytest.raises(ValueError, match="head: expected positive parameters"):
        ParameterFeatures(Scaling((0.0,), (1.0,), (0.0, 1.0)), head="log-affine")


def test_periods_are_checked():
    clouds = {1.0: Turn().simulate(1.0, n=50, seed=0)}
    with pytest.raises(ShapeError, match="period: expected 2 numbers, got 1"):
        TrainingData.from_clouds(clouds, (1.0,))
    with pytest.raises(InputError, match="period: expected none beside a system"):
        ts.fit(Turn(), parameters=[1.0], config=CONFIG, period=PERIOD)
