"""Sinkhorn's sums on a GPU: exactness, memory, block sizes, and time beside rivals.

Exactness is that of both sums against the dense matrix in float64. Times are of updates of both
potentials of two clouds of 4096 points in three dimensions, from zero, at one strength, by this
package and by those of `--rivals` that are installed: `flash-sinkhorn` (its alternating solver,
with and without TF32), `geomloss` (dense) and `keops` (geomloss by KeOps); called as they come and,
where they can be, recorded as a CUDA graph. Each is first tried in a process of its own, so that
one that crashes there is named and costs no other its figures. The rounds alternate; medians. The
error is that of the potential after as many updates in float64.
The part `divisions`, not done by default, times one sum with every division of the work, from which
those of `twostep_rs.ot.fused` are chosen.

    python benches/python/sinkhorn.py [--smoke] [--parts PART ...] [--rivals RIVAL ...]
        [--json FILE]
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import itertools
import json
import math
import os
import sys
import time
import traceback
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from shared.record import record
from shared.trial import failure
from twostep_rs.gradient_flows.entropic import Pairs, iterated
from twostep_rs.ot import log_sums, sinkhorn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

PACKAGES = {
    "flash-sinkhorn": ("flash_sinkhorn",),
    "geomloss": ("geomloss",),
    "keops": ("geomloss", "pykeops"),
}
"""What a rival imports, by the name that it is chosen by."""

# Problems whose blocks are chosen: problems at a time, points, dimension.
TUNED = ((1, 4096, 3), (2, 2048, 2), (16, 512, 3), (1, 65_536, 3))


def clouds(k: int, n: int, d: int, seed: int, device: str) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    x, y = torch.randn(2, k, n, d, generator=random, dtype=torch.float64)
    return x.to(device), (1.0 + 0.6 * y).to(device)


def exactness(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Largest errors of both sums in float32, near the origin and where clouds are wrapped."""
    n = 300 if options.smoke else 4096
    rows = []
    for d, torus, others in itertools.product((1, 2, 3, 4), (False, True), (False, True)):
        x, y = clouds(2, n, d, options.seed, options.device)
        h = torch.full((2, n), -math.log(n), dtype=x.dtype, device=x.device)
        h[:, ::7] = -torch.inf
        rate = torch.tensor([1.0, 30.0], dtype=x.dtype, device=x.device)
        period = torch.linspace(5.0, 6.0, d, dtype=x.dtype, device=x.device) if torus else None
        exact = log_sums.pull(x, y, h, rate, period=period, others=others)
        singles = [part.float() for part in (x, y, h, rate)]
        lengths = None if period is None else period.float()
        found = log_sums.pull(*singles, period=lengths, others=others)
        rows.append(
            {
                "what": "exactness",
                "axes": d,
                "torus": torus,
                "others": others,
                "error_of_sums": float((found.log_sum - exact.log_sum).abs().max()),
                "error_of_displacements": float(
                    (found.displacement - exact.displacement).abs().max()
                ),
            }
        )
        show(rows[-1])
    return rows


def memory(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What one update of both potentials of many points adds to the memory in use."""
    n = 1_000 if options.smoke else 65_536
    x, y = (cloud.float() for cloud in clouds(1, n, 3, options.seed, options.device))
    pairs = Pairs(x, y, torch.full((1,), 0.3, device=x.device))
    iterated(pairs, 1)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    displacement = pairs.pull(iterated(pairs, 1)).displacement
    torch.cuda.synchronize()
    row = {
        "what": "memory",
        "points": n,
        "milliseconds": 1e3 * (time.perf_counter() - start),
        "peak_mebibytes": (torch.cuda.max_memory_allocated() - before) / 2**20,
        "matrix_mebibytes": 4 * n * n / 2**20,
        "finite": bool(displacement.isfinite().all()),
    }
    show(row)
    return [row]


def recorded(work: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The work as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


def seconds(work: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def tuning(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Microseconds of one call with every division of the work, by problem."""
    from twostep_rs.ot import fused

    rows = []
    for k, n, d in TUNED[-1:] if options.smoke else TUNED:
        x, y = (log_sums.laid_out(c.float()) for c in clouds(k, n, d, options.seed, options.device))
        h = torch.full((k, n), -math.log(n), device=x.device)
        rate = torch.full((k,), 3.0, device=x.device)
        for blocks in divisions():
            work = functools.partial(
                fused.run, x, y, h, rate, None, others=False, pulls=False, blocks=blocks
            )
            repeated = recorded(lambda work=work: [work() for _ in range(10)][-1][0])
            times = [seconds(repeated) for _ in range(30)]
            row = {
                "what": "division",
                "problems": k,
                "points": n,
                "axes": d,
                **blocks._asdict(),
                # The least: what else the GPU does comes and goes.
                "microseconds": 1e5 * min(times),
            }
            rows.append(row)
        best = sorted(rows[-len(divisions()) :], key=lambda row: row["microseconds"])
        for row in best[:6]:
            show({key: value for key, value in row.items() if key != "what"})
    return rows


def divisions() -> list[Any]:
    from twostep_rs.ot import fused

    # 32 partners or more at a time in each thread spill registers.
    return [
        fused.Blocks(points, columns, warps)
        for points, columns, warps in itertools.product((1, 2, 4), (8, 16), (1, 2, 4, 8, 16))
        if points * columns <= 32
    ]


def compile_share(share: str) -> None:
    """Compile some of the divisions, so that several processes can share the work."""
    from twostep_rs.ot import fused

    index, count = map(int, share.split("/"))
    for d in sorted({d for _, _, d in TUNED}):
        x, y = (cloud.float() for cloud in clouds(1, 256, d, 0, "cuda"))
        h, rate = torch.zeros(1, 256, device="cuda"), torch.ones(1, device="cuda")
        for blocks in divisions()[index::count]:
            fused.run(x, y, h, rate, None, others=False, pulls=False, blocks=blocks)


def ours(x: Tensor, y: Tensor, epsilon: float, updates: int) -> dict[str, Callable[[], Tensor]]:
    strength = torch.full((1,), epsilon, device=x.device)

    def work() -> Tensor:
        return epsilon * iterated(Pairs(x[None], y[None], strength), updates)[0]

    return {"twostep_rs": work}


def flash(x: Tensor, y: Tensor, epsilon: float, updates: int) -> dict[str, Callable[[], Tensor]]:
    from flash_sinkhorn.sinkhorn_solvers import sinkhorn_flashstyle_alternating

    masses = torch.full((len(x),), 1.0 / len(x), device=x.device)
    options = {"eps": epsilon, "n_iters": updates, "cost_scale": 0.5}
    return {
        name: lambda tf32=tf32: sinkhorn_flashstyle_alternating(
            x, y, masses, masses, **options, allow_tf32=tf32
        )[1]
        for name, tf32 in (("flash-sinkhorn", False), ("flash-sinkhorn, TF32", True))
    }


def dense(x: Tensor, y: Tensor, epsilon: float, updates: int) -> dict[str, Callable[[], Tensor]]:
    from geomloss._legacy import sinkhorn_samples as module

    def work() -> Tensor:
        costs = [0.5 * torch.cdist(*ends).square()[None] for ends in ((x, y), (y, x))]
        return turns(module.softmin_tensorized, *costs, len(y), epsilon, updates)

    return {"geomloss, dense": work}


def keops(x: Tensor, y: Tensor, epsilon: float, updates: int) -> dict[str, Callable[[], Tensor]]:
    from geomloss._legacy import sinkhorn_samples as module

    sums = module.lse_genred(module.cost_formulas[2], x.shape[1])
    softmin = functools.partial(module.softmin_online, log_conv=sums)
    return {
        "geomloss, KeOps": lambda: turns(softmin, (x, y), (y, x), len(y), epsilon, updates),
    }


def turns(
    softmin: Callable[..., Tensor], ahead: Any, back: Any, n: int, epsilon: float, updates: int
) -> Tensor:
    """The soft minimum of geomloss's solvers, in turns, without their averaging and annealing."""
    device = (ahead if isinstance(ahead, torch.Tensor) else ahead[0]).device
    log_masses = torch.full((1, n), -math.log(n), device=device)
    g = torch.zeros(1, n, device=device)
    for _ in range(updates):
        f = softmin(epsilon, ahead, log_masses + g / epsilon)
        g = softmin(epsilon, back, log_masses + f / epsilon)
    return g[0]


CONTENDERS = {"flash-sinkhorn": flash, "geomloss": dense, "keops": keops}
"""By the name of a rival, what makes its works: each returns the potential of y, (n,)."""


def without_keops() -> None:
    """Let geomloss find no KeOps, whose import alone may end the process."""
    sys.modules["pykeops"] = None  # type: ignore[assignment]


def tried(rival: str, options: argparse.Namespace) -> None:
    """Let a rival work once."""
    if rival != "keops":
        without_keops()
    x, y = (cloud[0].float() for cloud in clouds(1, 500, 3, options.seed, options.device))
    for work in CONTENDERS[rival](x, y, 0.3, 2).values():
        if not bool(work().isfinite().all()):
            raise ArithmeticError("potentials: expected finite numbers, got others")


def chosen(options: argparse.Namespace) -> list[str]:
    """The rivals that are installed and work here."""
    found = []
    for rival in options.rivals:
        missing = [name for name in PACKAGES[rival] if not importlib.util.find_spec(name)]
        why = f"{missing[0]} is not installed" if missing else failure(tried, rival, options)
        if why is None:
            found.append(rival)
        else:
            print(f"{rival} is not measured: {why}", flush=True)
    return found


def in_float64(x: Tensor, y: Tensor, epsilon: float, updates: int) -> Tensor:
    masses = torch.full((len(x),), -math.log(len(x)), dtype=x.dtype, device=x.device)
    g = torch.zeros_like(masses)
    for _ in range(updates):
        f = sinkhorn.softmin(x, y, masses + g / (2 * epsilon), 2 * epsilon)
        g = sinkhorn.softmin(y, x, masses + f / (2 * epsilon), 2 * epsilon)
    return g / 2


def rivals(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Microseconds of one update of both potentials, and the error after all of them."""
    n, updates = (500, 5) if options.smoke else (4096, 100)
    x64, y64 = (cloud[0] for cloud in clouds(1, n, 3, options.seed, options.device))
    x, y = x64.float(), y64.float()
    epsilon = 0.05 * float(torch.cdist(x64, y64).square().mean())
    exact = in_float64(x64, y64, epsilon, updates)
    names = chosen(options)
    if "keops" not in names:
        without_keops()
    made = [ours, *(CONTENDERS[name] for name in names)]
    contenders = {k: work for one in made for k, work in one(x, y, epsilon, updates).items()}
    works: dict[tuple[str, str], Callable[[], Tensor]] = {}
    rows = []
    for name, work in contenders.items():
        # KeOps launches on a stream of its own, which no graph records.
        for way in ("as called", "recorded")[: 1 if "KeOps" in name else 2]:
            try:
                made_work = work if way == "as called" else recorded(work)
                gap = made_work() - exact
                torch.cuda.synchronize()
            except Exception:  # a rival that does not run here costs its row alone
                print(f"{name}, {way}: {traceback.format_exc(limit=-3)}", flush=True)
                continue
            works[name, way] = made_work
            error = float((gap - gap.mean()).abs().max())
            rows.append({"what": "time", "who": name, "way": way, "error": error})
    print("measured are", *works, flush=True)
    for work in works.values():
        seconds(work)
    rounds = [{key: seconds(work) for key, work in works.items()} for _ in range(options.repeats)]
    for row in rows:
        key = (row["who"], row["way"])
        row["microseconds"] = 1e6 / updates * median(one[key] for one in rounds)
        mine = ("twostep_rs", row["way"])
        row["times_ours"] = median(one[key] / one[mine] for one in rounds)
        row["least_microseconds"] = 1e6 / updates * min(one[key] for one in rounds)
        show(row)
    return rows


def installed() -> list[str]:
    """Names of the rivals' packages, as they are installed by, that are here."""
    modules = dict.fromkeys(name for names in PACKAGES.values() for name in names)
    return [name.replace("_", "-") for name in modules if importlib.util.find_spec(name)]


PARTS = {"exactness": exactness, "memory": memory, "divisions": tuning, "time": rivals}


def show(row: dict[str, Any]) -> None:
    print(
        ", ".join(
            f"{key} {value:.3g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in row.items()
        ),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="one round at the smallest size")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=["exactness", "memory", "time"]
    )
    parser.add_argument("--rivals", nargs="*", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument(
        "--compile", metavar="I/N", help="compile a share of the divisions and stop"
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("there is no GPU: nothing to measure")
        return
    if options.compile:
        compile_share(options.compile)
        return
    load = os.getloadavg()[0]
    rows: list[dict[str, Any]] = []
    for part in options.parts:
        rows += PARTS[part](options)
        if options.json:
            found = record(options, load, rows, ["torch", "triton", *installed()])
            found["hardware"]["gpu"] = torch.cuda.get_device_name()
            options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
