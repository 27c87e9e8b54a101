"""What the scheme of resampling costs a KPP growth rate: ``kpp_resampling.py FILE``.

The printed cellular flow at kappa = 2^-4.5, resampled after each of 256 steps a period. For some
numbers of particles FILE gets the variance of the growth of a period, the distance of its mean to
that of infinitely many particles, with standard errors, and the product of that bias with the
number of particles.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import twostep_rs as ts

KAPPA, BURN_IN = 2.0**-4.5, 160
# Periods after the burn-in: more where a period is cheap and loud.
CASES = {
    "systematic": {2_000: 1000, 20_000: 400},
    "ssp": {2_000: 1000, 20_000: 200},
    "killing": {2_000: 1000, 20_000: 200},
    "stratified": {2_000: 1000, 20_000: 200},
    "residual": {2_000: 1000, 20_000: 200},
    "multinomial": {2_000: 4000, 5_000: 2000, 20_000: 800},
}


def row(scheme: str, particles: int, periods: int) -> dict[str, Any]:
    """Variance and bias of one scheme with so many particles."""
    kpp = ts.systems.KPP(flow="cell2d")
    truth = kpp.reference(KAPPA, dt=kpp.dt).growth
    fk = kpp.run(KAPPA, particles, BURN_IN + periods, burn_in=BURN_IN, resampling=scheme)
    growth = fk.growth[BURN_IN:]
    bias = fk.mu0 - truth
    return {
        "scheme": scheme,
        "particles": particles,
        "periods": periods,
        "variance_of_a_period": float(growth.var(ddof=1)),
        "bias": bias,
        "standard_error": fk.standard_error,
        "bias_times_particles": bias * particles,
        "its_standard_error": fk.standard_error * particles,
        "ancestors_of_a_period": float(np.mean(fk.ancestors[BURN_IN:])),
    }


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    rows = []
    for scheme, sizes in CASES.items():
        for particles, periods in sizes.items():
            rows.append(row(scheme, particles, periods))
            print(json.dumps(rows[-1]), flush=True)
            record = {"command": "python tools/kpp_resampling.py FILE", "seed": 0, "rows": rows}
            options.file.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
