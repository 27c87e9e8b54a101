"""Two-time maps that are known: between normal laws the flow of every interpolant is affine."""

from __future__ import annotations

import torch
from numpy.polynomial import Polynomial, legendre
from torch import nn

from twostep_rs.losses.flow_map import FlowMapBatch
from twostep_rs.models.flow_map import TwoTimeMap
from twostep_rs.models.interpolant import Interpolant
from twostep_rs.models.meanflow import Condition

# Common axes of both covariances.
_ANGLE = torch.tensor(0.6).double()
AXES = torch.stack(
    [torch.stack([_ANGLE.cos(), -_ANGLE.sin()]), torch.stack([_ANGLE.sin(), _ANGLE.cos()])]
)
MEANS = torch.tensor([[0.3, -0.2], [1.0, 0.5]]).double()
DEVIATIONS = torch.tensor([[1.0, 0.8], [0.7, 1.2]]).double()


class JvpMap(TwoTimeMap):
    """A map without a parameter whose tangents are torch's own."""

    def condition(self, parameter, seen=None):
        return Condition(parameter, parameter)

    def tangent(self, x, s, t, condition, along):
        return torch.func.jvp(
            lambda x, s, t: self.mean_velocity(x, s, t, condition), (x, s, t), tuple(along)
        )


class GaussianMap(JvpMap):
    """The flow map between two normal laws whose ends have a given correlation along their axes."""

    def __init__(self, path=None, correlation=0.0):
        super().__init__()
        self.path = Interpolant() if path is None else path
        self.correlation = correlation

    def mean(self, t):
        """Mean of the path, (n, 2)."""
        c = self.path.coefficients(t)
        return c.source * MEANS[0] + c.target * MEANS[1]

    def deviation(self, t):
        """Standard deviations of the path along the axes, (n, 2)."""
        return self.covariance(t, t).sqrt()

    def covariance(self, s, t, of=None):
        """Of the path at s (or of its ``path.rates`` there) and at t, along the axes, (n, 2)."""
        a, b = (of or self.path.coefficients)(s), self.path.coefficients(t)
        mixed = self.correlation * (a.source * b.target + a.target * b.source)
        return (
            a.source * b.source * DEVIATIONS[0] ** 2
            + a.target * b.target * DEVIATIONS[1] ** 2
            + mixed * DEVIATIONS[0] * DEVIATIONS[1]
            + a.noise * b.noise
        )

    def jump(self, x, s, t, condition=None):
        ratio = self.deviation(t) / self.deviation(s)
        return self.mean(t) + (ratio * ((x - self.mean(s)) @ AXES)) @ AXES.T

    def growth(self, t):
        """sigma' / sigma along the axes, (n, 2)."""
        return self.covariance(t, t, self.path.rates) / self.covariance(t, t)

    def velocity(self, x, t, condition=None):
        c = self.path.rates(t)
        drift = c.source * MEANS[0] + c.target * MEANS[1]
        return drift + (self.growth(t) * ((x - self.mean(t)) @ AXES)) @ AXES.T

    def mean_velocity(self, x, s, t, condition=None):
        equal = s == t
        h = torch.where(equal, 1.0, t - s)
        return torch.where(equal, self.velocity(x, t), (self.jump(x, s, t) - x) / h)


class AffineMap(JvpMap):
    """v = A x + c, with A and c polynomials in s and t of the given degree."""

    def __init__(self, degree=5):
        super().__init__()
        # Legendre polynomials of 2 t - 1, by powers of t.
        rows = [
            legendre.Legendre.basis(k, [0.0, 1.0]).convert(kind=Polynomial)
            for k in range(degree + 1)
        ]
        self.powers = torch.zeros(degree + 1, degree + 1).double()
        for k, row in enumerate(rows):
            self.powers[: k + 1, k] = torch.from_numpy(row.coef)
        self.weights = nn.Parameter(torch.zeros(2, 3, degree + 1, degree + 1).double())

    def coefficients(self, f, g):
        """A and c for polynomials f of s and g of t, (n, 2, 2) and (n, 2)."""
        both = ((f @ self.weights.flatten(0, 1)) * g).sum(2).T.view(-1, 2, 3)
        return both[:, :, :2], both[:, :, 2]

    def mean_velocity(self, x, s, t, condition=None):
        a, c = self.coefficients(self.basis(s), self.basis(t))
        return (a @ x.unsqueeze(2)).squeeze(2) + c

    def tangent(self, x, s, t, condition, along):
        a, c = self.coefficients(self.basis(s), self.basis(t))
        by_s, by_t = (
            self.coefficients(*f)
            for f in ((self.slope(s), self.basis(t)), (self.basis(s), self.slope(t)))
        )
        da = along.s.unsqueeze(2) * by_s[0] + along.t.unsqueeze(2) * by_t[0]
        dc = along.s * by_s[1] + along.t * by_t[1]
        columns = x.unsqueeze(2), along.x.unsqueeze(2)
        return (a @ columns[0]).squeeze(2) + c, (da @ columns[0] + a @ columns[1]).squeeze(2) + dc

    def features(self, x, s, t):
        """What v is linear in, in the order of the weights of each coordinate, (n, k)."""
        columns = torch.cat([x, torch.ones_like(s)], dim=1)
        both = self.basis(s).unsqueeze(2) * self.basis(t).unsqueeze(1)
        return (columns.unsqueeze(2) * both.flatten(1).unsqueeze(1)).flatten(1)

    def basis(self, t):
        return torch.cat([t**k for k in range(len(self.powers))], dim=1) @ self.powers

    def slope(self, t):
        powers = [k * t ** max(k - 1, 0) for k in range(len(self.powers))]
        return torch.cat(powers, dim=1) @ self.powers


class Perturbed(JvpMap):
    """Another map plus smooth functions of everything, of which there is none at first."""

    def __init__(self, origin, features=12):
        super().__init__()
        random = torch.Generator().manual_seed(2)
        self.origin = origin
        self.inner = torch.randn(4, features, generator=random).double()
        self.shift = torch.randn(features, generator=random).double()
        self.weights = nn.Parameter(torch.zeros(features, 2).double())

    def mean_velocity(self, x, s, t, condition=None):
        features = torch.tanh(torch.cat([x, s, t], dim=1) @ self.inner + self.shift)
        return self.origin.mean_velocity(x, s, t) + features @ self.weights


def ends_of(normals, correlation=0.0):
    """Source and target for independent standard normal numbers (n, 4)."""
    first, second = normals[:, :2], normals[:, 2:]
    second = correlation * first + (1.0 - correlation**2) ** 0.5 * second
    return tuple(MEANS[k] + (DEVIATIONS[k] * z) @ AXES.T for k, z in enumerate((first, second)))


def exact_rows(times, diagonal=0.75):
    """Rows over which every quadratic function of the ends has its exact mean.

    At each pair of a grid of ``times``: the eight points, all of equal weight, whose mean and
    covariance are those of four standard normal numbers. ``diagonal`` repeats rows with s = t.
    """
    grid = (torch.arange(times).double() + 0.5) / times
    s, t = (g.reshape(-1, 1) for g in torch.meshgrid(grid, grid, indexing="ij"))
    repeats = round(diagonal / (1.0 - diagonal) * len(s) / times)
    equal = grid.unsqueeze(1).repeat(repeats, 1)
    s, t = torch.cat([equal, s]), torch.cat([equal, t])
    points = torch.cat([torch.eye(4), -torch.eye(4)]).double() * 2.0
    count = len(points)
    source, target = (end.repeat(len(s), 1) for end in ends_of(points))
    s, t = s.repeat_interleave(count, 0), t.repeat_interleave(count, 0)
    ones = torch.ones_like(s)
    return FlowMapBatch(source, target, None, ones, ones, s, t, diagonal=len(equal) * count)


def random_rows(n, seed=0, path=None, correlation=0.0, diagonal=0):
    """Independent rows with times on the square."""
    random = torch.Generator().manual_seed(seed)
    source, target = ends_of(torch.randn(n, 4, generator=random).double(), correlation)
    noise = torch.randn(n, 2, generator=random).double()
    s, t = torch.rand(2, n, 1, generator=random).double()
    s[:diagonal] = t[:diagonal]
    ones = torch.ones_like(s)
    has_noise = path is not None and path.noise > 0.0
    return FlowMapBatch(
        source, target, noise if has_noise else None, ones, ones, s, t, diagonal=diagonal
    )
