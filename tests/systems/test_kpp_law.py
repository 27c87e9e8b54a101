"""The limit law of KPP particles as a system."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twostep_rs.config import EvaluationConfig
from twostep_rs.errors import ConfigError
from twostep_rs.runs import evaluate
from twostep_rs.systems import KPP, KPPLaw, SettledKPP, System

PERIOD = 2.0 * math.pi
SMALL = EvaluationConfig(
    parameters=(0.25,), particles=1_000, references=4, floor_pairs=8, bins=12,
    metrics=("planes", "masses"),
)  # fmt: skip


def test_it_is_a_system_whose_particles_have_its_masses():
    law = KPPLaw(KPP(2, "cell2d"))
    assert isinstance(law, System)
    cloud = law.simulate(0.25, n=20_000, seed=5)
    assert not cloud.paired
    masses = law.bin_masses(0.25, 6)
    counts, _ = np.histogramdd(cloud.target, bins=6, range=[(0.0, PERIOD)] * 2)
    chi_squared = ((counts - 20_000 * masses) ** 2 / (20_000 * masses)).sum()
    assert abs(chi_squared - 35) < 6.0 * math.sqrt(2.0 * 35)  # false alarm below 1e-6
    source = law.prior(7, 1)
    given = law.simulate(0.25, seed=5, source=source)
    assert (given.source == source).all()
    assert given.target.shape == (7, 2)


def test_planes_and_exact_masses_are_measured():
    system = KPPLaw(KPP(3, ("0", "0", "0")))

    def right(source, parameter):
        return np.random.default_rng(source.view(np.uint64)[0]).random((len(source), 3)) * PERIOD

    def shifted(source, parameter):
        return right(source, parameter) * [1.0, 1.0, 0.5]

    rows = evaluate({1: shifted, 2: right}, system, SMALL, training_parameters=()).rows
    names = ["x1 x2", "x1 x3", "x2 x3"]
    expected = [f"{kind} {name}" for kind in ("histogram", "masses") for name in names]
    assert list(dict.fromkeys(row.metric for row in rows)) == expected
    for row in rows:
        if row.stage == 2 or row.metric.endswith("x1 x2"):
            assert abs(row.ratio - 1.0) < 6.0 * row.ratio_standard_error
        else:
            assert row.ratio > 5.0


def test_masses_need_a_law():
    with pytest.raises(ConfigError, match="expected no 'masses' where no law is known"):
        evaluate({}, KPP(2, "cell2d"), SMALL, training_parameters=())


def test_runs_settle_in_the_law():
    still = KPP(2, ("0", "0"), dt=2.0**-3)
    drawn, settled = (kind(still).simulate(0.25, n=5_000, seed=5) for kind in (KPPLaw, SettledKPP))
    assert (settled.source == drawn.source).all()
    assert (abs(settled.target - drawn.target) > 1e-3).mean() > 0.9
    counts, _ = np.histogramdd(settled.target, bins=6, range=[(0.0, PERIOD)] * 2)
    chi_squared = ((counts - 5_000 / 36) ** 2 / (5_000 / 36)).sum()
    assert abs(chi_squared - 35) < 6.0 * math.sqrt(2.0 * 35)  # false alarm below 1e-6
