"""Entropic transport between Gaussians on a line, in closed form.

Cost ``|x - y|^2 / 2``, entropy relative to the product of the laws; Janati et al. 2020, theorem 1,
Mallasto et al. 2022.
"""

from __future__ import annotations

import math

import numpy as np


def covariance(s, t, epsilon):
    """Of both ends in the entropic plan between deviations s and t."""
    return math.sqrt(s * s * t * t + 0.25 * epsilon**2) - 0.5 * epsilon


def cost(mean, s, t, epsilon):
    """The entropic cost between N(0, s^2) and N(mean, t^2)."""
    c = covariance(s, t, epsilon)
    transport = 0.5 * (mean**2 + s * s + t * t) - c
    return transport - 0.5 * epsilon * math.log(1.0 - (c / (s * t)) ** 2)


def divergence(mean, s, t, epsilon):
    """The Sinkhorn divergence."""
    return cost(mean, s, t, epsilon) - 0.5 * (cost(0, s, s, epsilon) + cost(0, t, t, epsilon))


def slope(s, t, epsilon):
    """Derivative of the velocity of the divergence's flow, which is affine."""
    return (covariance(s, t, epsilon) - covariance(s, s, epsilon)) / s**2


def euler(mean, s, target_mean, t, epsilon, steps, step_size):
    """Mean and deviation of the law after Euler steps of the flow, exact for that scheme."""
    for _ in range(steps):
        mean += step_size * (target_mean - mean)
        s *= 1.0 + step_size * slope(s, t, epsilon)
    return mean, s


def grid(mean, s, reach=7.0, n=200):
    """Points and masses that stand for N(mean, s^2): exact to rounding for smooth functions."""
    points = np.linspace(mean - reach * s, mean + reach * s, n)
    logarithms = -0.5 * ((points - mean) / s) ** 2
    return points, logarithms - np.log(np.exp(logarithms).sum())
