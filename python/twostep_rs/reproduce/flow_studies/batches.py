"""One batch against two: generators of a Gaussian (W-Flow, figure 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from twostep_rs import ot
from twostep_rs.methods import w_flow
from twostep_rs.systems import Cloud
from twostep_rs.training.data import TrainingData
from twostep_rs.training.seeds import derive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twostep_rs.reproduce.job import Place

#: Estimators that are compared.
KINDS: tuple[Literal["one-batch", "two-batch"], ...] = ("one-batch", "two-batch")

# Any Gaussian would do: this one is neither round nor where the source is.
_MEAN = np.array([1.0, -0.5])
_ROOT = np.array([[1.2, 0.0], [0.5, 0.6]])

_EVALUATED = 4_000
_SHOWN = 500


def study(
    place: Place, *, seed: int, steps: int, batch: int, epsilon: float, device: str = "cpu"
) -> dict[str, Any]:
    """Train a generator from N(0, I) with each estimator.

    Args:
        place: not used.
        seed: of everything.
        steps: of each training.
        batch: particles of a batch.
        epsilon: relative strength of the entropy.
        device: where to train.

    Returns:
        By estimator: ``variance``, the trace of the covariance relative to that of the target,
        ``distance``, W2 squared to fresh targets, and ``points`` to show; with the ``floor``.
    """
    del place
    data = TrainingData.from_clouds(
        {1.0: Cloud(_normal(20_000, seed, 0), _targets(20_000, seed, 1), paired=False)}
    )
    source = torch.from_numpy(_normal(_EVALUATED, seed, 2)).float()
    reference, other = (_targets(_EVALUATED, seed, k) for k in (3, 4))
    found: dict[str, Any] = {"floor": ot.emd(other, reference).cost}
    for kind in KINDS:
        config = w_flow.WFlowConfig(
            head="plain",
            jitter=0.0,
            waves=0,
            width=32,
            depth=2,
            steps=steps,
            batch=batch,
            learning_rate=5e-3,
            ema=0.99,
            self_transport=kind,
            epsilons=(epsilon,),
            looks=1,  # the last weights, whatever their distance
        )
        net = w_flow.train(data, config, seed=seed, device=device).cpu()
        points = net.transport(source, torch.ones(len(source), 1)).double().numpy()
        found[kind] = {
            "variance": float(points.var(axis=0).sum() / np.square(_ROOT).sum()),
            "distance": ot.emd(points, reference).cost,
            "points": points[:_SHOWN].round(4).tolist(),
        }
    found["targets"] = reference[:_SHOWN].round(4).tolist()
    return found


def _normal(n: int, seed: int, index: int) -> NDArray[np.float64]:
    return np.random.default_rng(derive(seed, "batches", index)).standard_normal((n, 2))


def _targets(n: int, seed: int, index: int) -> NDArray[np.float64]:
    points: NDArray[np.float64] = _MEAN + _normal(n, seed, index) @ _ROOT.T
    return points
