"""What a user does with an installed wheel: simulate, transport, train two steps, sample."""

from __future__ import annotations

import dataclasses
import sys

import numpy as np

import twostep_rs as ts

assert "torch" not in sys.modules

ks = ts.systems.KellerSegel(dim=3, flow="laminar", physics="paper")
cloud = ks.simulate(50.0, n=500, seed=0)
assert cloud.target.shape == (500, 3)
assert np.isfinite(cloud.target).all()

plan = ts.ot.emd(cloud.source, cloud.target)
assert plan.gap >= 0
assert np.array_equal(np.sort(plan.permutation), np.arange(500))

config = ts.Config()
config = dataclasses.replace(
    config,
    simulation=dataclasses.replace(config.simulation, parameters=(20.0, 80.0), particles=300),
    stage_1=dataclasses.replace(config.stage_1, steps=2, batch=64),
    stage_2=dataclasses.replace(config.stage_2, steps=2, batch=64),
)
model = ts.fit(ks, parameters=(20.0, 80.0), config=config)
sample = np.asarray(model.sample(50.0, n=100, seed=1))
assert sample.shape == (100, 3)
assert np.isfinite(sample).all()

import torch  # noqa: E402

print(f"works on CPython {sys.version.split()[0]} with torch {torch.__version__}")
