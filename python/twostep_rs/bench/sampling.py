"""How fast a million particles go through both stages."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import torch

from twostep_rs.bench.record import record
from twostep_rs.bench.timing import seconds
from twostep_rs.methods import registry
from twostep_rs.models.features import Scaling
from twostep_rs.threads import get_num_threads
from twostep_rs.training import stage_2
from twostep_rs.training.device import resolve_device
from twostep_rs.training.model import TwoStepModel

if TYPE_CHECKING:
    from twostep_rs.config import Config

_REPEATS = 5
_DIM = 3


def measure(config: Config, *, particles: int) -> dict[str, Any]:
    """Time the networks of ``config``, whose weights do not matter for that.

    Args:
        config: of both stages.
        particles: to carry.

    Returns:
        The record, with a row for each memory that they come from and go to.
    """
    device = resolve_device(config.device)
    scaling = Scaling((0.0,) * _DIM, (1.0,) * _DIM, (15.0, 150.0))
    build = registry.get(config.method).implementation.build
    generator = build(scaling, config.stage_1).to(device)
    corrector = stage_2.build(scaling, config.stage_2).to(device)
    model = TwoStepModel(generator, corrector, None, config)
    source = torch.randn(particles, _DIM)
    cases: dict[str, Any] = {"NumPy, float64": source.double().numpy()}
    if device.type == "cuda":
        cases["tensor on the GPU, float32"] = source.to(device)
    rows = []
    for name, points in cases.items():

        def sample(points: Any = points) -> object:
            return model.transport(points, 100.0)

        seconds(device, sample, 1)
        times = [seconds(device, sample, 1) for _ in range(_REPEATS)]
        rows.append(
            {
                "case": "both stages",
                "method": name,
                "particles": particles,
                "threads": get_num_threads(),
                "seconds": median(times),
                "slowest": max(times),
            }
        )
    return record(rows, ["torch"])
