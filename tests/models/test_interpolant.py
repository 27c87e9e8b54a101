from __future__ import annotations

import pytest
import torch

from twostep_rs.models.interpolant import Ends, Interpolant

PATHS = [
    Interpolant(),
    Interpolant(noise=0.7),
    Interpolant("variance-preserving"),
    Interpolant("variance-preserving", noise=0.4),
    Interpolant("variance-exploding", explosion=3.0),
]


def ends(n=6):
    return Ends(*torch.randn(3, n, 2, generator=torch.Generator().manual_seed(0)).double())


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_velocities_are_slopes_of_positions(path):
    t, step = torch.linspace(0.01, 0.99, 6).double().unsqueeze(1), 1e-6
    numeric = (path.position(ends(), t + step) - path.position(ends(), t - step)) / (2 * step)
    torch.testing.assert_close(path.velocity(ends(), t), numeric, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("path", PATHS[:4], ids=str)
def test_paths_join_their_ends_whatever_the_noise(path):
    zero, one = torch.zeros(6, 1).double(), torch.ones(6, 1).double()
    joined = ends()
    torch.testing.assert_close(path.position(joined, zero), joined.source)
    torch.testing.assert_close(path.position(joined, one), joined.target)
    assert path.start(joined.source) is joined.source


def test_an_exploding_path_begins_in_noise_and_ends_at_the_target():
    path, joined = Interpolant("variance-exploding", explosion=3.0), ends()
    zero, one = torch.zeros(6, 1).double(), torch.ones(6, 1).double()
    begin = path.position(joined, zero)
    torch.testing.assert_close(begin - joined.target, path.start(joined.source))
    torch.testing.assert_close(path.position(joined, one), joined.target)


def test_variance_is_preserved_in_the_printed_time():
    t = torch.linspace(0.0, 1.0, 9).double().unsqueeze(1)
    alpha, beta, _ = Interpolant("variance-preserving").coefficients(t)
    tau = torch.sin(0.5 * torch.pi * t)
    torch.testing.assert_close(beta, tau)
    torch.testing.assert_close(alpha, (1.0 - tau**2).clamp_min(0.0).sqrt(), rtol=0, atol=1e-8)
