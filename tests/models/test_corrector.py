from __future__ import annotations

import pytest
import torch

from twostep_rs.models.corrector import Corrector
from twostep_rs.models.features import ParameterFeatures, Scaling, scaling_of

SCALING = Scaling((0.0, 0.0), (2.0, 1.0), (1.0, 4.0))


def test_an_untrained_corrector_is_the_identity():
    net = Corrector(SCALING, width=8, depth=2, head="affine", alpha=1.0)
    x = torch.randn(5, 2)
    assert torch.equal(net(x, x, torch.full((5, 1), 2.0)), x)


def test_alpha_scales_the_correction():
    torch.manual_seed(0)
    nets = [Corrector(SCALING, width=8, depth=2, head="plain", alpha=a) for a in (1.0, 0.25)]
    torch.nn.init.normal_(nets[0].head.linear.weight)
    nets[1].load_state_dict(nets[0].state_dict())
    x, parameter = torch.randn(5, 2), torch.full((5, 1), 2.0)
    full, quarter = (net(x, x, parameter) - x for net in nets)
    assert full.abs().max() > 0.1
    torch.testing.assert_close(quarter, 0.25 * full, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("plain", [[-1.0], [1.0], [0.0], [2.0]]),
        ("affine", [[-1.0, -1.0], [1.0, 1.0], [-1.0 / 3.0, 0.0], [1.0, 1.0]]),
    ],
)
def test_parameters_map_their_range_to_minus_one_and_one(head, expected):
    features = ParameterFeatures(SCALING, head=head)
    found = features(torch.tensor([[1.0], [4.0], [2.0], [8.0]]))
    torch.testing.assert_close(found, torch.tensor(expected))


@pytest.mark.parametrize(("head", "expected"), [("plain", -3.0), ("affine", -1.0)])
def test_parameters_that_are_not_positive_have_no_logarithm(head, expected):
    features = ParameterFeatures(Scaling((0.0,), (1.0,), (-1.0, 1.0)), head=head)
    assert features(torch.tensor([[-3.0]])).tolist() == [[expected]]


def test_a_constant_axis_is_not_scaled():
    scaling = scaling_of(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), [2.0])
    assert scaling == Scaling((2.0, 5.0), (1.0, 1.0), (2.0, 2.0))
