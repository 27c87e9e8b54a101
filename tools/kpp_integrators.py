"""What the time step costs a KPP growth rate and its law: ``kpp_integrators.py FILE``.

Growth: 20 000 particles at kappa = 1/4 in both named flows with exact references, by both
integrators and several steps a period; FILE gets the distance of its mean to the exact one, with
its standard error. Law: the mean of cos(x2) over training clouds of
``kpp3d`` at kappa = 2^-3.75, where relaxation takes 49 periods, against that of the exact law.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import twostep_rs as ts
from twostep_rs.experiments import kpp3d

FLOWS = {"cell2d": 2, "kolmogorov3d": 3}
GROWTH = {"euler": (8, 32, 128, 256), "heun": (8, 16, 32, 64)}
GENERATIONS, BURN_IN = 400, 40

LAW = (("euler", 256), ("heun", 32), ("heun", 64))
KAPPA, PARTICLES, SEEDS = 2.0**-3.75, 160_000, (3, 4, 5, 6)


def growth(flow: str, integrator: str, steps: int) -> dict[str, Any]:
    """Error of the growth by so many steps a period."""
    kpp = ts.systems.KPP(FLOWS[flow], flow, dt=1 / steps, integrator=integrator)
    fk = kpp.run(0.25, generations=GENERATIONS, burn_in=BURN_IN, seed=1)
    return {
        "flow": flow,
        "integrator": integrator,
        "steps": steps,
        "error": fk.mu0 - kpp.reference(0.25).growth,
        "standard_error": fk.standard_error,
    }


def law(integrator: str, steps: int) -> dict[str, Any]:
    """Error of the mean wave along the second axis, over several training clouds."""
    kpp = kpp3d.system(integrator, 1 / steps)

    def wave(points: np.ndarray) -> float:
        return float(np.cos(points[:, 1]).mean())

    exact = wave(kpp.reference(KAPPA).sample(1_000_000, seed=0))
    errors = [wave(kpp.simulate(KAPPA, PARTICLES, seed).target) - exact for seed in SEEDS]
    return {
        "integrator": integrator,
        "steps": steps,
        "error": float(np.mean(errors)),
        "standard_error": float(np.std(errors, ddof=1) / len(errors) ** 0.5),
    }


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    record: dict[str, Any] = {"command": "python tools/kpp_integrators.py FILE"}
    record |= {"growth": [], "law": []}
    cases = [("law", law, case) for case in LAW]
    for flow in FLOWS:
        for integrator, counts in GROWTH.items():
            cases += [("growth", growth, (flow, integrator, steps)) for steps in counts]
    for name, of, case in cases:
        record[name].append(of(*case))
        print(json.dumps(record[name][-1]), flush=True)
        options.file.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
