from __future__ import annotations

import pytest
import torch

from twostep_rs.models.features import Scaling, TimeFeatures
from twostep_rs.models.meanflow import AverageVelocity, Tangent

SCALING = Scaling((0.3, -0.2, 0.1), (1.5, 0.7, 1.0), (15.0, 150.0))


@pytest.fixture(params=[("plain", 0), ("affine", 0), ("quadratic", 2)], ids=str)
def net(request):
    torch.manual_seed(0)
    head, waves = request.param
    return AverageVelocity(SCALING, width=16, depth=3, head=head, waves=waves).double()


def inputs(n=7):
    torch.manual_seed(1)
    z, t = torch.randn(n, 3).double(), torch.rand(n, 1).double()
    parameter = 15.0 + 135.0 * torch.rand(n, 1).double()
    return z, t, 0.5 * t, parameter


def direction(n=7):
    torch.manual_seed(2)
    return Tangent(torch.randn(n, 3).double(), torch.ones(n, 1).double(), torch.rand(n, 1).double())


def tangent(net, z, t, h, parameter, seen, along):
    condition = net.condition(parameter, seen)
    return net.tangent(z, t, h, condition, along, net.trunk(z, t, h, condition))


def test_tangent_equals_central_differences_in_float64(net):
    z, t, h, parameter = inputs()
    along = direction()
    step = 1e-5
    ends = [
        net(z + s * along.z, t + s * along.t, h + s * along.h, parameter) for s in (step, -step)
    ]
    numeric = (ends[0] - ends[1]) / (2 * step)
    found = tangent(net, z, t, h, parameter, None, along)
    torch.testing.assert_close(found, numeric, rtol=1e-7, atol=1e-8)


def test_tangent_equals_the_generic_jacobian_vector_product(net):
    z, t, h, parameter = inputs()
    along = direction()
    seen = parameter.flip(0)
    _, expected = torch.func.jvp(
        lambda z, t, h: net(z, t, h, parameter, seen), (z, t, h), tuple(along)
    )
    found = tangent(net, z, t, h, parameter, seen, along)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def test_tangent_carries_no_gradient(net):
    assert not tangent(net, *inputs(), None, direction()).requires_grad


def test_time_features_are_waves_and_have_their_slope():
    t, h = torch.rand(2, 5, 1).double()
    features = TimeFeatures().double()
    times, along = torch.cat([t, h], dim=1), torch.rand(5, 2).double()
    found, expected = torch.func.jvp(features, (times,), (along,))
    torch.testing.assert_close(features.tangent(times, along), expected, rtol=1e-12, atol=1e-12)
    pi = torch.pi
    waves = [
        torch.cat(
            [s, (2 * pi * s).sin(), (2 * pi * s).cos(), (4 * pi * s).sin(), (4 * pi * s).cos()], 1
        )
        for s in (t, h)
    ]
    torch.testing.assert_close(found, torch.cat(waves, dim=1), rtol=0, atol=2e-6)


def test_affine_head_is_affine_beyond_the_range_of_training():
    torch.manual_seed(0)
    net = AverageVelocity(SCALING, width=16, depth=2, head="affine").double()
    z, t, h, _ = inputs()
    u = [net(z, t, h, torch.full_like(t, sigma)) for sigma in (150.0, 200.0, 250.0)]
    torch.testing.assert_close(u[2] - u[1], u[1] - u[0], rtol=1e-10, atol=1e-12)


def test_quadratic_head_is_quadratic_beyond_the_range_of_training():
    torch.manual_seed(0)
    net = AverageVelocity(SCALING, width=16, depth=2, head="quadratic").double()
    z, t, h, _ = inputs()
    a, b, c, d = (net(z, t, h, torch.full_like(t, x)) for x in (150.0, 200.0, 250.0, 300.0))
    torch.testing.assert_close(d - c, 2 * (c - b) - (b - a), rtol=1e-9, atol=1e-11)
    assert ((c - b) - (b - a)).abs().min() > 1e-3


@pytest.mark.parametrize("evaluations", [1, 3])
def test_transport_is_exact_for_a_constant_velocity(evaluations):
    class Constant(AverageVelocity):
        def forward(self, z, t, h, parameter, seen=None):
            return torch.ones_like(z) * torch.tensor([2.0, 0.0, -1.0])

    source = torch.randn(4, 3)
    net = Constant(SCALING, width=4, depth=1, head="affine")
    found = net.transport(source, torch.ones(4, 1), evaluations=evaluations)
    torch.testing.assert_close(found, source - torch.tensor([2.0, 0.0, -1.0]))
