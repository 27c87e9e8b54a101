"""Ctrl-C reaches whatever is under way, at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

SCRIPT = """
import time
{prepare}
print("ready", flush=True)
try:
    {work}
except KeyboardInterrupt:
    print("interrupted", time.monotonic(), flush=True)
else:
    print("finished", 0, flush=True)
"""

CLOUDS = """
import numpy as np, twostep_rs as ts
rng = np.random.default_rng(0)
x, y = rng.random((60_000, 3)), rng.normal(size=(60_000, 3)) + 3.0
"""

PARTICLES = """
from twostep_rs.systems import KellerSegel
ks = KellerSegel(physics="aggregating", substeps=1000)
x = ks.prior(200_000)
"""

FRONT = """
from twostep_rs.systems import KPP
kpp = KPP()
"""

# Threads draw clouds that take minutes each.
EVALUATION = """
from twostep_rs.config import EvaluationConfig
from twostep_rs.runs.evaluation import measure_floor
from twostep_rs.systems import KPP, KPPLaw, SettledKPP, kpp_law
kpp_law._RELAXATIONS = 1e4
law = KPPLaw(KPP())
config = EvaluationConfig(parameters=(0.25,), particles=20_000, metrics=("planes",))
simulate, drawn = SettledKPP.simulate, []
def first(self, kappa, n, *rest, **options):
    drawn.append(None)
    return (simulate if len(drawn) > 1 else KPPLaw.simulate)(self, kappa, n, *rest, **options)
SettledKPP.simulate = first
law.system.reference(0.25)
"""

# Steps of the size of the full preset.
TRAINING = """
import torch, twostep_rs as ts
from twostep_rs.config import StageOneConfig, StageTwoConfig
from twostep_rs.methods import meanflow
from twostep_rs.training import stage_2
from twostep_rs.training.data import TrainingData
torch.set_num_threads(2)
ks = ts.systems.KellerSegel()
data = TrainingData.from_clouds({s: ks.simulate(s, n=3000, seed=0) for s in (20.0, 60.0, 150.0)})
first = meanflow.train(data, StageOneConfig(steps=1), seed=0)
"""


@pytest.mark.alone
@pytest.mark.parametrize(
    ("prepare", "work", "seconds"),
    [
        pytest.param(CLOUDS, "ts.ot.emd(x, y, threads=2)", 0.2, id="transport"),
        pytest.param(CLOUDS, "ts.ot.emd(x, y, threads=1)", 0.2, id="transport where it is called"),
        pytest.param(PARTICLES, "ks.simulate(1.0, n=30_000, threads=2)", 0.2, id="simulation"),
        pytest.param(PARTICLES, "ks.drift(x, 1.0, threads=2)", 0.2, id="drift"),
        pytest.param(FRONT, "kpp.run(0.1, generations=1000, threads=2)", 0.2, id="front"),
        pytest.param(
            EVALUATION,
            "measure_floor(SettledKPP(law.system), config, threads=2)",
            0.5,
            id="evaluation",
        ),
        pytest.param(TRAINING, "meanflow.train(data, StageOneConfig(), seed=0)", 0.5, id="stage I"),
        pytest.param(
            TRAINING, "stage_2.train(first, data, StageTwoConfig(), seed=0)", 0.5, id="stage II"
        ),
    ],
)
def test_interrupt_returns_in_time(prepare, work, seconds):
    command = [sys.executable, "-c", SCRIPT.format(prepare=prepare, work=work)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.6)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        word, seen = process.stdout.readline().split()
    assert word == "interrupted"
    assert float(seen) - sent < seconds
    assert process.returncode == 0
