"""Solve every deterministic reference of the KPP experiments, one process a core.

``kpp_references.py [PROCESSES]``; the solutions stay in the cache, where runs find them.
"""

from __future__ import annotations

import os
import sys
from concurrent.futures import ProcessPoolExecutor

from twostep_rs.experiments import kpp, kpp2d, kpp3d
from twostep_rs.runs.convergence import truth
from twostep_rs.runs.kpp_verdict import FLOWS
from twostep_rs.systems import KPP


def main(processes: int) -> None:
    """Solve them, the longest first."""
    space, plane = (one.EXPERIMENT.system("paper") for one in (kpp3d, kpp2d))
    jobs = [(space, kappa, False) for kappa in reversed(kpp.TEST)]
    growths = kpp2d.EXPERIMENT.config("paper").convergence.parameters
    jobs += [(plane, kappa, True) for kappa in growths]
    jobs += [(KPP(2, flow), kappa, False) for flow in FLOWS for kappa in reversed(kpp.TEST)]
    with ProcessPoolExecutor(processes) as pool:
        for line in pool.map(solve, *zip(*jobs, strict=True)):
            print(line, flush=True)


def solve(system: KPP, kappa: float, scheme: bool) -> str:
    """Solve one, with the scheme's own law where it is wanted."""
    speed = truth(system, kappa)[0] if scheme else system.reference(kappa).c()
    return f"{system.flow} kappa={kappa:.5f} c={speed:.9f}"


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1)
