"""The work of the jobs."""

from __future__ import annotations

import importlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from twostep_rs import ot
from twostep_rs._seeds import Purpose, cloud_seed
from twostep_rs.experiments import checkerboard
from twostep_rs.methods import registry
from twostep_rs.models.features import Scaling
from twostep_rs.models.flow_map import chain, integrate
from twostep_rs.reproduce.flow_maps.models import MODELS, VELOCITY
from twostep_rs.runs.metrics import MetricsLog, read_metrics
from twostep_rs.systems import Checkerboard
from twostep_rs.training import flow_maps
from twostep_rs.training.checkpoint import CheckpointFile
from twostep_rs.training.data import TrainingData
from twostep_rs.training.device import resolve_device
from twostep_rs.training.fingerprint import weights_hash
from twostep_rs.training.workers import Workers, one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from twostep_rs.models.flow_map import FlowMap
    from twostep_rs.reproduce.flow_maps.jobs import Scores, Training
    from twostep_rs.reproduce.job import Place

    Points = NDArray[np.float64]
    Carry = Callable[[Points], Points]

WEIGHTS = "map.safetensors"
METRICS = "metrics.jsonl"
CLOUDS = "clouds.npz"
FLOW = "flow.npz"

# Runge-Kutta steps of the velocity's own flow, which others are compared with.
_STEPS = {"quick": 16}
_WHOLE_STEPS = 50

# For each particle of the clouds that are compared: those whose images are compared with the
# velocity's flow one by one, and those that figures show.
_COMPARED = 10
_SHOWN = 2

# Squared distance to that image from which on a particle counts as moved (figure 5).
_MOVED = 1.0

_ROWS = {"cpu": 1 << 12, "cuda": 1 << 17}

_BOARD = Checkerboard()


def train(job: Training, place: Place) -> dict[str, Any]:
    """Train a map and leave its weights and metrics."""
    model = MODELS[job.model]
    config = model.config(job.base)
    cloud = _BOARD.simulate(
        checkerboard.PARAMETER,
        n=job.base.simulation.particles,
        seed=cloud_seed(job.base.seed, Purpose.TRAINING),
    )
    data = TrainingData.from_clouds({checkerboard.PARAMETER: cloud})
    phases = importlib.import_module(registry.get(model.method).module).phases(
        data.scaling(), config
    )
    name = job.model
    if job.model == VELOCITY:
        phases = phases[:1]
    elif job.teacher is not None:
        teacher = read(job.teacher, place).to(resolve_device(job.base.device))
        last = phases[-1]
        phases = [lambda _: last([teacher])]
        name = f"{name} of {weights_hash(teacher)}"
    place.directory.mkdir(parents=True, exist_ok=True)
    metrics = place.directory / METRICS
    with place.progress.task(f"train {job.model}") as advance:
        net = flow_maps.train(
            phases,
            data,
            config,
            name,
            seed=job.base.seed,
            device=job.base.device,
            compiled=job.base.compile,
            checkpoint=CheckpointFile(place.directory / "training.ckpt"),
            progress=advance,
            log=MetricsLog(metrics, stage=1),
        )
    save_file(
        {key: value.cpu() for key, value in net.state_dict().items()}, place.directory / WEIGHTS
    )
    rows = read_metrics(metrics)
    return {
        "scaling": asdict(net.scaling),
        "seconds": rows[-1]["seconds"],
        "curve": [[row["step"], row["loss"]] for row in rows],
    }


def read(job: Training, place: Place) -> FlowMap:
    """The map that a training left, frozen, on the CPU."""
    fields = place.store.document(job)["scaling"]
    scaling = Scaling(
        location=tuple(fields["location"]),
        scale=tuple(fields["scale"]),
        parameters=tuple(fields["parameters"]),
    )
    net = flow_maps.build(scaling, MODELS[job.model].config(job.base))
    net.load_state_dict(load_file(place.store.path(job) / WEIGHTS))
    return net.eval().requires_grad_(requires_grad=False)


def score(job: Scores, place: Place) -> dict[str, Any]:
    """Measure a map with every number of jumps, and keep clouds for figures."""
    assert job.model is not None
    net = read(job.training(job.model), place).to(resolve_device(job.base.device))
    place.directory.mkdir(parents=True, exist_ok=True)
    if job.velocity is None:
        steps = _STEPS.get(job.base.preset, _WHOLE_STEPS)
        carriers = {4 * steps: carrier(net, steps, integrate)}
        flow = _Flow.of(job, carriers[4 * steps])
        flow.write(place.directory / FLOW)
    else:
        carriers = {jumps: carrier(net, jumps, chain) for jumps in MODELS[job.model].jumps}
        flow = _Flow.read(place.store.path(job.velocity) / FLOW)
    with place.progress.task(f"score {job.model}") as advance:
        found = {}
        for done, (evaluations, carry) in enumerate(carriers.items()):
            found[str(evaluations)] = _measure(job, carry)
            if job.velocity is not None:
                found[str(evaluations)] |= _compare(job, carry, flow)
            advance(done + 1, len(carriers))
    source = _source(job, _SHOWN * job.base.evaluation.particles, 0)
    images = {str(evaluations): carry(source) for evaluations, carry in carriers.items()}
    clouds = {"source": source, "flow": flow.same[: len(source)], **images}
    single: dict[str, Any] = {key: x.astype(np.float32) for key, x in clouds.items()}
    np.savez_compressed(place.directory / CLOUDS, **single)
    return {"scores": found}


class _Flow(NamedTuple):
    """Images by the velocity, which all maps of a seed are compared with.

    Attributes:
        same: of the sources whose images are compared one by one, (n, 2).
        others: of other sources, (k, m, 2): the same ones would pair points, and the distance be
            no law's.
    """

    same: Points
    others: Points

    @classmethod
    def of(cls, job: Scores, carry: Carry) -> _Flow:
        n, repeats = job.base.evaluation.particles, job.base.evaluation.references
        others = [carry(_source(job, n, 2 + repeats + k)) for k in range(repeats)]
        return cls(carry(_source(job, _COMPARED * n, 0)), np.stack(others))

    @classmethod
    def read(cls, path: Path) -> _Flow:
        with np.load(path) as file:
            return cls(*(file[name].astype(np.float64) for name in cls._fields))

    def write(self, path: Path) -> None:
        single: dict[str, Any] = {k: x.astype(np.float32) for k, x in self._asdict().items()}
        np.savez_compressed(path, **single)


def floor(job: Scores) -> dict[str, Any]:
    """The same of independent draws of the law."""
    evaluation = job.base.evaluation
    references = [_reference(job, k) for k in range(2 * evaluation.floor_pairs)]
    pairs = zip(references[0::2], references[1::2], strict=True)
    large = [_draw(job.density, cloud_seed(job.base.seed, Purpose.GROWTH, k)) for k in range(4)]
    return {
        "divergence": _mean([_BOARD.divergence(x) for x in large]),
        "to_data": _mean([ot.emd(x, y).cost for x, y in pairs]),
    }


def carrier(
    net: FlowMap, steps: int, carry: Callable[[FlowMap, Any, Sequence[float], Any], Any]
) -> Carry:
    """Particles to particles, by equal steps, on all threads of a CPU or on a GPU."""
    device = next(net.parameters()).device
    times = [k / steps for k in range(steps + 1)]

    def part(x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            x = x.to(device)
            told = net.condition(torch.full_like(x[:, :1], checkerboard.PARAMETER))
            moved: torch.Tensor = carry(net, net.path.start(x), times, told).cpu()
            return moved

    def whole(source: Points) -> Points:
        on_cpu = device.type == "cpu"
        parts = torch.split(torch.from_numpy(source).float(), _ROWS[device.type])
        with one_thread():
            moved = torch.cat(Workers(None if on_cpu else 1).map(part, parts))
        found: Points = moved.double().numpy()
        return found

    return whole


def _measure(job: Scores, carry: Carry) -> dict[str, Any]:
    """The law of the images beside that of the target."""
    cloud = carry(_source(job, job.density, 1))
    clouds = _clouds(job, carry)
    return {
        "divergence": _BOARD.divergence(cloud),
        "outside": float(1.0 - _BOARD.contains(cloud).mean()),
        "to_data": _mean([ot.emd(x, _reference(job, k)).cost for k, x in enumerate(clouds)]),
    }


def _compare(job: Scores, carry: Carry, flow: _Flow) -> dict[str, Any]:
    """The images beside those by the velocity, as laws and one by one."""
    clouds = _clouds(job, carry)
    squared = np.square(carry(_source(job, len(flow.same), 0)) - flow.same).sum(axis=1)
    return {
        "to_flow": _mean([ot.emd(x, y).cost for x, y in zip(clouds, flow.others, strict=True)]),
        "error": float(squared.mean()),
        "moved": float((squared > _MOVED).mean()),
    }


def _clouds(job: Scores, carry: Carry) -> list[Points]:
    evaluation = job.base.evaluation
    return [carry(_source(job, evaluation.particles, 2 + k)) for k in range(evaluation.references)]


def _source(job: Scores, n: int, number: int) -> Points:
    return _BOARD.prior(n, cloud_seed(job.base.seed, Purpose.SOURCE, number))


def _reference(job: Scores, number: int) -> Points:
    n = job.base.evaluation.particles
    return _draw(n, cloud_seed(job.base.seed, Purpose.REFERENCE, number))


def _draw(n: int, seed: int) -> Points:
    return _BOARD.simulate(checkerboard.PARAMETER, n=n, seed=seed).target


def _mean(values: Sequence[float]) -> list[float]:
    """Mean and its standard error."""
    return [float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5)]
