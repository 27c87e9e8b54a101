"""A particle system with a known law: standard normal particles, moved by the parameter."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from twostep_rs.systems import Cloud, Domain


@dataclass
class GaussianSystem:
    """Targets are N(parameter e_1, I); ``seeds`` collects what clouds were drawn with."""

    dim: int = 2
    domain: Domain = field(default_factory=Domain)
    seeds: list[tuple[str, int]] = field(default_factory=list)

    def prior(self, n, seed):
        self.seeds.append(("prior", seed))
        return np.random.default_rng(seed).normal(size=(n, self.dim))

    def simulate(self, parameter, n, seed, source=None):
        self.seeds.append(("simulate", seed))
        if source is None:
            source = np.random.default_rng([seed, 1]).normal(size=(n, self.dim))
        return Cloud(source, source + parameter * np.eye(self.dim)[0], paired=True)


def exact(source, parameter):
    """The map that the system itself applies."""
    return source + parameter * np.eye(source.shape[1])[0]
