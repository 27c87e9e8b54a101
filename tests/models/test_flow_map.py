from __future__ import annotations

import math

import pytest
import torch

from flow_map_oracle import GaussianMap
from twostep_rs.models.features import Scaling
from twostep_rs.models.flow_map import Direction, FlowMap, chain, integrate
from twostep_rs.models.interpolant import Interpolant

FREE = Scaling((0.3, -0.2), (1.5, 0.7), (15.0, 150.0))
TORUS = Scaling((math.pi, 1.5), (1.8, 0.9), (0.1, 0.25), (2.0 * math.pi, 3.0))


@pytest.fixture(params=[(FREE, "plain", 0), (FREE, "affine", 2), (TORUS, "log-affine", 0)], ids=str)
def net(request):
    torch.manual_seed(0)
    scaling, head, waves = request.param
    return FlowMap(scaling, width=12, depth=3, head=head, waves=waves).double()


def inputs(net, n=7):
    random = torch.Generator().manual_seed(1)
    x, dx = torch.randn(2, n, 2, generator=random).double()
    s, t, ds, dt, share = torch.rand(5, n, 1, generator=random).double()
    low, high = net.scaling.parameters
    return (x, s, t, net.condition(low + (high - low) * share)), Direction(dx, ds, dt)


def test_tangents_equal_central_differences_in_float64(net):
    (x, s, t, told), along = inputs(net)
    step = 1e-5
    for value, both in ((net.mean_velocity, net.tangent), (net.jump, net.jump_tangent)):
        ends = [
            value(x + h * along.x, s + h * along.s, t + h * along.t, told) for h in (step, -step)
        ]
        found, slope = both(x, s, t, told, along)
        torch.testing.assert_close(found, value(x, s, t, told), rtol=1e-13, atol=1e-14)
        torch.testing.assert_close(slope, (ends[0] - ends[1]) / (2 * step), rtol=1e-7, atol=1e-8)


def test_tangents_and_their_gradients_equal_those_of_torch(net):
    (x, s, t, told), along = inputs(net)
    x = x.requires_grad_()
    weights = [x, *net.parameters()]
    _, found = net.tangent(x, s, t, told, along)
    _, expected = torch.func.jvp(
        lambda x, s, t: net.mean_velocity(x, s, t, told), (x, s, t), tuple(along)
    )
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)
    gradients = (
        torch.autograd.grad(d.square().sum(), weights, materialize_grads=True)
        for d in (found, expected)
    )
    for mine, its in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-9, atol=1e-11)


def test_the_map_is_the_identity_at_equal_times(net):
    (x, s, _, told), _ = inputs(net)
    assert torch.equal(net.jump(x, s, s, told), x)


def test_maps_are_periodic_on_a_torus():
    net = FlowMap(TORUS, width=12, depth=2, head="plain").double()
    (x, s, t, told), _ = inputs(net)
    turned = x + torch.tensor(TORUS.period).double()
    moved = net.jump(turned, s, t, told) - net.jump(x, s, t, told)
    torch.testing.assert_close(moved, turned - x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("jumps", [1, 3])
def test_transport_takes_equal_jumps(net, jumps):
    (x, *_, told), _ = inputs(net)
    parameter = torch.full((len(x), 1), net.scaling.parameters[0]).double()
    told = net.condition(parameter)
    expected = chain(net, x, torch.linspace(0.0, 1.0, jumps + 1).tolist(), told)
    torch.testing.assert_close(net.transport(x, parameter, evaluations=jumps), expected)
    net.evaluations = jumps
    torch.testing.assert_close(net.transport(x, parameter), expected)


def test_an_exploding_path_starts_from_the_source_times_its_factor():
    path = Interpolant("variance-exploding", explosion=4.0)
    net = FlowMap(FREE, width=4, depth=1, head="plain", path=path)
    for weight in net.parameters():
        torch.nn.init.zeros_(weight)
    source = torch.randn(5, 2)
    torch.testing.assert_close(net.transport(source, torch.full((5, 1), 20.0)), 4.0 * source)


@pytest.mark.parametrize(
    "path",
    [Interpolant(), Interpolant("variance-preserving"), Interpolant(noise=0.5)],
    ids=lambda path: f"{path.kind}-{path.noise}",
)
@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_runge_kutta_follows_the_known_flow_both_ways(path, correlation):
    truth = GaussianMap(path, correlation)
    x = torch.randn(20, 2, generator=torch.Generator().manual_seed(0)).double()
    times = torch.linspace(0.0, 1.0, 65).tolist()
    moved = integrate(truth, x, times, None)
    torch.testing.assert_close(moved, chain(truth, x, [0.0, 1.0], None), rtol=0, atol=1e-7)
    torch.testing.assert_close(integrate(truth, moved, times[::-1], None), x, rtol=0, atol=1e-7)
