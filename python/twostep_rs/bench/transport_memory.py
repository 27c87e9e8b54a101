"""Time and memory of one solve in a process of its own.

``python -m twostep_rs.bench.transport_memory METHOD N SEED`` prints one line of JSON. METHOD is
"ours" or "POT"; two draws of the law of core and halo, in three dimensions, one thread.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from twostep_rs import ot
from twostep_rs.bench import transport_rivals as rivals
from twostep_rs.bench.problems import near


def in_a_fresh_process(method: str, n: int, seed: int) -> dict[str, Any]:
    """What the module prints.

    Args:
        method: "ours" or "POT".
        n: points a side.
        seed: of the points.

    Returns:
        Seconds of the solve, the peak of the process, and by how much the solve raised it, in MB;
        of ours the gap and the largest violation in units of the cost scale too.
    """
    words = [sys.executable, "-m", __spec__.name, method, str(n), str(seed)]
    # POT would import PyTorch, whose memory is not its own.
    environment = os.environ | {"POT_BACKEND_DISABLE_PYTORCH": "1"}
    done = subprocess.run(  # noqa: S603
        words, check=True, capture_output=True, text=True, env=environment
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measure(method: str, n: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    # The first call imports what it needs; its memory is not the problem's.
    _solve(method, *near(rng, 50, 3))
    x, y = near(rng, n, 3)
    before = peak()
    started = time.perf_counter()
    certificate = _solve(method, x, y)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "peak_mb": peak(),
        "more_mb": peak() - before,
        **certificate,
    }


def _solve(method: str, x: Any, y: Any) -> dict[str, float]:
    if method == "ours":
        plan = ot.emd(x, y, threads=1)
        scale = plan.cost_scale
        return {
            "cost": plan.cost,
            "gap": plan.gap / scale,
            "max_violation": plan.max_violation / scale,
        }
    mass = np.full(len(x), 1.0 / len(x))
    cost, _ = rivals.pot(mass, mass, rivals.distances(x, y))
    return {"cost": cost}


def peak() -> float:
    """Largest resident memory so far, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # What getrusage tells includes the parent's memory at the fork.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))  # noqa: T201
