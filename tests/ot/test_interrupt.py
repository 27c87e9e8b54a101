"""Ctrl-C reaches a solve that is under way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

SOLVE = """
import numpy as np, twostep_rs as ts, time
rng = np.random.default_rng(0)
x, y = rng.random((60_000, 3)), rng.normal(size=(60_000, 3)) + 3.0
print("ready", flush=True)
try:
    ts.ot.emd(x, y)
except KeyboardInterrupt:
    print("interrupted", time.monotonic(), flush=True)
else:
    print("finished", flush=True)
"""


def test_control_c_returns_within_a_fifth_of_a_second():
    with subprocess.Popen(
        [sys.executable, "-c", SOLVE], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(1.5)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        word, seen = process.stdout.readline().split()
        assert word == "interrupted"
        assert float(seen) - sent < 0.2
