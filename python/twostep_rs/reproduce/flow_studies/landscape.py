"""Training on the landscape of the Sinkhorn divergence (W-Flow, figure 2b)."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any

import torch

from twostep_rs import ot
from twostep_rs.gradient_flows.entropic import Pairs, divergence, mean_square
from twostep_rs.gradient_flows.particles import flow
from twostep_rs.gradient_flows.velocity import Field
from twostep_rs.methods.w_flow import WFlowConfig
from twostep_rs.systems import Gaussians8
from twostep_rs.training.data import TrainingData
from twostep_rs.training.matching import MatchingTraining
from twostep_rs.training.seeds import derive
from twostep_rs.training.workers import one_thread

if TYPE_CHECKING:
    from torch import Tensor

    from twostep_rs.reproduce.job import Place

# Of the energy and of the explicit flow; the training has the smaller one of its method.
_EPSILON = 0.05
# Independent samples of the target whose energies a training cannot be asked to go below.
_SAMPLES = 10
# The landscape reaches beyond the path by this share of it.
_MARGIN = 0.35


def study(
    place: Place,
    *,
    seed: int,
    steps: int,
    batch: int,
    particles: int,
    flow_steps: int,
    cells: int,
    device: str = "cpu",
) -> dict[str, Any]:
    """Follow a training from N(0, I) to eight Gaussians by the images of fixed source particles.

    Args:
        place: not used.
        seed: of everything.
        steps: of the training.
        batch: particles of a batch.
        particles: source particles that are followed.
        flow_steps: steps of the explicit flow of the same particles, of size 0.2.
        cells: of the landscape, along each axis.
        device: where to train and to flow.

    Returns:
        ``path``: by step the energy, W2 squared to the nearest time of the explicit flow, and
        that time; ``floor``: W2 squared between two samples of the target; ``energy_floor``: mean
        energy of independent samples of the target beside the one that all are compared with;
        ``landscape``: the energy around the two principal axes of the path, and the path there.
    """
    del place
    problem = Gaussians8()
    data = TrainingData.from_clouds(
        {1.0: problem.simulate(1.0, n=20_000, seed=derive(seed, "landscape"))}
    )
    config = WFlowConfig(
        head="plain",
        jitter=0.0,
        waves=0,
        width=64,
        depth=3,
        steps=steps,
        batch=batch,
        learning_rate=2e-3,
        ema=0.99,
    )
    source = torch.from_numpy(problem.prior(particles, derive(seed, "followed"))).float()
    target, *others = (
        torch.from_numpy(problem.simulate(1.0, n=particles, seed=derive(seed, name)).target)
        for name in ("target", *(f"floor {k}" for k in range(_SAMPLES)))
    )
    shown = _shown(steps)
    clouds = _training_path(data, config, seed, source, shown, device)
    explicit = _explicit_path(source.double(), target, flow_steps, device)
    epsilon = _EPSILON * mean_square(Pairs(source[None].double(), target[None], torch.ones(1)))

    def energy(clouds: Tensor) -> Tensor:
        targets = target.expand(len(clouds), -1, -1)
        parts = clouds, targets, epsilon.expand(len(clouds))
        return divergence(*(part.to(device) for part in parts), tolerance=1e-2).cpu()

    nearest = [_nearest(cloud, explicit) for cloud in clouds]
    return {
        "path": [
            {"step": step, "energy": value, "distance": distance, "flow_time": 0.2 * index}
            for step, value, (distance, index) in zip(
                shown, energy(clouds).tolist(), nearest, strict=True
            )
        ],
        "floor": fmean(plan.cost for plan in ot.emd_batch(others, [target] * _SAMPLES)),
        "energy_floor": float(energy(torch.stack(others).double()).mean()),
        "landscape": _landscape(clouds, energy, cells),
    }


def _shown(steps: int) -> list[int]:
    """Steps that are shown: dense where the path is fast."""
    return sorted({round(steps * (k / 16) ** 2) for k in range(17)})


def _training_path(
    data: TrainingData,
    config: WFlowConfig,
    seed: int,
    source: Tensor,
    shown: list[int],
    device: str,
) -> Tensor:
    """Images of the source under the network as it is at each step, (k, n, 2)."""
    clouds = []
    source = source.to(device)
    parameter = source.new_ones(len(source), 1)
    with one_thread():
        training = MatchingTraining("w-flow", config.field, data, config, seed, device=device)
        for step in shown:
            while training.step < step:
                training.advance()
            clouds.append(training.optimizer.net.transport(source, parameter).double().cpu())
    return torch.stack(clouds)


def _explicit_path(source: Tensor, target: Tensor, steps: int, device: str) -> list[Tensor]:
    field = Field(self_transport="one-batch", epsilons=(_EPSILON,))
    ends = source[None].to(device), target[None].to(device)
    moved = flow(*ends, field, steps=steps, step_size=0.2)
    return [source, *(x[0].cpu() for x in moved)]


def _nearest(cloud: Tensor, path: list[Tensor]) -> tuple[float, int]:
    """The least W2 squared to a cloud of the path, and which."""
    plans = ot.emd_batch([cloud] * len(path), path)
    costs = [plan.cost for plan in plans]
    best = min(range(len(costs)), key=costs.__getitem__)
    return costs[best], best


def _landscape(clouds: Tensor, energy: Any, cells: int) -> dict[str, Any]:
    """The energy on the plane of the two principal axes of the path."""
    flat = clouds.flatten(1)
    middle = flat.mean(dim=0)
    _, _, axes = torch.linalg.svd(flat - middle, full_matrices=False)
    places = (flat - middle) @ axes[:2].T
    low, high = places.amin(dim=0), places.amax(dim=0)
    low, high = low - _MARGIN * (high - low), high + _MARGIN * (high - low)
    first, second = (torch.linspace(*ends, cells).double() for ends in zip(low, high, strict=True))
    values = []
    for b in second:
        row = middle + first[:, None] * axes[0] + b * axes[1]
        values.append(energy(row.view(cells, *clouds.shape[1:])).tolist())
    return {
        "first": first.tolist(),
        "second": second.tolist(),
        "energy": values,
        "path": places.tolist(),
    }
