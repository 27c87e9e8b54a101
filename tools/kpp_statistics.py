"""How well the particle estimate of a KPP growth rate knows itself: ``kpp_statistics.py FILE``.

For both cellular flows and three diffusivities, 20 000 particles start from independent draws of
the exact law, which is where they are after many relaxation times, run for 8 periods that do not
count and 256 that do. FILE gets a row for every run and a summary: the distance to the growth of
the Euler-Maruyama scheme with infinitely many particles (which the deterministic solver knows), and
how often the interval of two standard errors holds it. A started FILE is gone on with, unless its
runs are of another noise.
"""

from __future__ import annotations

import argparse
import json
import statistics
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import twostep_rs as ts

FLOWS = ("cell2d", "cell2d-divfree")
EXPONENTS = (2.0, 3.0, 4.5)
PARTICLES, BURN_IN, PERIODS = 20_000, 8, 256

# How normal numbers are made: runs of one seed differ with it.
NOISE = "single precision"


def estimate(flow: str, exponent: float, seed: int) -> dict[str, Any]:
    """One run, beside the growth that it should have."""
    kpp = ts.systems.KPP(flow=flow)
    kappa = 2.0**-exponent
    truth = kpp.reference(kappa, dt=kpp.dt)
    fk = kpp.run(
        kappa,
        generations=BURN_IN + PERIODS,
        burn_in=BURN_IN,
        initial=truth.sample(PARTICLES, seed=seed),
        seed=seed,
        threads=1,
    )
    return {
        "flow": flow,
        "exponent": exponent,
        "seed": seed,
        "growth": fk.mu0,
        "standard_error": fk.standard_error,
        "truth": truth.growth,
        "continuous_time": kpp.reference(kappa).growth,
    }


def summary(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Coverage and errors for every flow and diffusivity."""
    table = []
    for flow in FLOWS:
        for exponent in EXPONENTS:
            group = [r for r in rows if (r["flow"], r["exponent"]) == (flow, exponent)]
            if len(group) < 2:
                continue
            errors = [r["growth"] - r["truth"] for r in group]
            covered = [
                abs(e) <= 2 * r["standard_error"] for e, r in zip(errors, group, strict=True)
            ]
            table.append(
                {
                    "flow": flow,
                    "kappa": f"2^-{exponent:g}",
                    "seeds": len(group),
                    "truth": group[0]["truth"],
                    "euler_bias": group[0]["truth"] - group[0]["continuous_time"],
                    "mean_error": statistics.mean(errors),
                    "standard_deviation": statistics.stdev(errors),
                    "mean_standard_error": statistics.mean(r["standard_error"] for r in group),
                    "largest_error": max(map(abs, errors)),
                    "covered": sum(covered) / len(group),
                }
            )
    return table


def main() -> None:
    """Run what FILE lacks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if options.file.exists():
        started = json.loads(options.file.read_text())
        noise = started["noise"]
        if noise != NOISE:
            parser.error(f"{options.file}: expected runs with noise {NOISE}, got {noise}")
        rows = started["rows"]
    done = {(r["flow"], r["exponent"], r["seed"]) for r in rows}
    todo = [
        (flow, exponent, seed)
        for seed in range(options.seeds)
        for flow in FLOWS
        for exponent in EXPONENTS
        if (flow, exponent, seed) not in done
    ]
    with ProcessPoolExecutor(options.workers) as pool:
        for future in as_completed([pool.submit(estimate, *case) for case in todo]):
            rows.append(future.result())
            rows.sort(key=lambda r: (r["flow"], r["exponent"], r["seed"]))
            record = {
                "command": f"python tools/kpp_statistics.py {options.file} --seeds {options.seeds}",
                "version": ts.__version__,
                "noise": NOISE,
                "particles": PARTICLES,
                "burn_in": BURN_IN,
                "periods": PERIODS,
                "summary": summary(rows),
                "rows": rows,
            }
            part = options.file.with_suffix(".part")
            part.write_text(json.dumps(record, indent=1) + "\n")
            part.replace(options.file)


if __name__ == "__main__":
    main()
