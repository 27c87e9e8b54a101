"""Variants of stage II that share their stage I: what tables 1 and 3 have in common.

Stage I is trained on independent pairs. With the simulator's own pairs it ends at the sampling
floor, and stage II has nothing left to show; with independent ones its scores are those that the
paper prints for it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from twostep_rs import experiments
from twostep_rs.config import EvaluationConfig, StageOneConfig
from twostep_rs.experiments import ks3d_laminar
from twostep_rs.reproduce.job import Computation, Place, RunJob
from twostep_rs.reproduce.scores import Curve, curve
from twostep_rs.runs import evaluation
from twostep_rs.runs.clouds import read_arrays, write_arrays
from twostep_rs.runs.directory import RunDirectory
from twostep_rs.runs.table import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from twostep_rs.reproduce.store import Store
    from twostep_rs.reproduce.target import Request

Unit = Literal["absolute", "mean-cost"]

KIND = Kind("histogram", "joint")

# The parameter of the paper's qualitative figures, beyond the range of training.
SHOWN = 160.0

# A batch lasts at least so many steps, whatever the refresh.
_BATCH_PERIOD = 50

_STAGE = 2
_CLOUDS = "clouds.npz"


@dataclass(frozen=True)
class Variant:
    """A stage II.

    Attributes:
        batch: particles of each parameter in a batch.
        refresh: steps between couplings.
        epsilon: of entropic couplings; exact ones without.
        unit: of epsilon.
        debias: whether a second batch takes the bias out; as in the preset by default.
    """

    batch: int = 1_500
    refresh: int = 50
    epsilon: float | None = None
    unit: Unit = "absolute"
    debias: bool | None = None

    @property
    def name(self) -> str:
        """Its name among jobs."""
        parts = [f"b{self.batch}", f"r{self.refresh}"]
        if self.epsilon is not None:
            parts.append(f"eps{self.epsilon:g}{'' if self.unit == 'absolute' else 'rel'}")
        if self.debias is not None:
            parts.append("debiased" if self.debias else "biased")
        return "-".join(parts)


def base(request: Request, seed: int) -> RunJob:
    """Clouds and stage I of all variants."""
    config = experiments.get(ks3d_laminar.NAME).config(request.preset)
    assert isinstance(config.stage_1, StageOneConfig)
    stage_2 = config.stage_2
    if request.preset == "quick":
        # What is varied is the printed method's; its twin would take the bias out.
        stage_2 = dataclasses.replace(stage_2, debias=False)
    config = dataclasses.replace(
        config,
        stage_1=dataclasses.replace(config.stage_1, coupling="independent"),
        stage_2=stage_2,
        evaluation=_evaluation(request),
    )
    name = f"ks3d-laminar/{request.preset}-independent-s{seed}"
    return RunJob(f"{name}/stage-1", request.configured(config, seed), only=("simulate", "stage_1"))


def trained(request: Request, seed: int, variant: Variant) -> RunJob:
    """A variant, trained."""
    first = base(request, seed)
    config = first.config
    stage_2 = dataclasses.replace(
        config.stage_2,
        batch=variant.batch,
        batch_period=max(_BATCH_PERIOD, variant.refresh),
        refresh=variant.refresh,
        # One batch after another, each coupling waited for.
        pool=1,
        visits=1,
        ahead=0,
    )
    if variant.epsilon is not None:
        stage_2 = dataclasses.replace(
            stage_2, solver="sinkhorn", epsilon=variant.epsilon, epsilon_unit=variant.unit
        )
    if variant.debias is not None:
        stage_2 = dataclasses.replace(stage_2, debias=variant.debias)
    return RunJob(
        f"ks3d-laminar/{request.preset}-independent-s{seed}/{variant.name}",
        dataclasses.replace(config, stage_2=stage_2),
        only=("stage_2",),
        stage_1_of=first,
    )


def evaluated(target: str, request: Request, seed: int, variants: Sequence[Variant]) -> Computation:
    """The evaluation of some variants, whose references and floors are the same."""
    jobs = {variant.name: trained(request, seed, variant) for variant in variants}
    return Computation(
        f"ks3d-laminar/{request.preset}-independent-s{seed}/{target}",
        evaluate,
        {"runs": {name: job.name for name, job in jobs.items()}},
        tuple(jobs.values()),
    )


def evaluate(place: Place, runs: Mapping[str, str]) -> dict[str, Any]:
    """Scores and variances of stage II of every run, and clouds at one parameter.

    Returns:
        ``rows`` of every run; ``variances`` across the flow of reference and run, by parameter.
    """
    from twostep_rs.training.model import load

    first = RunDirectory.open(place.needed[next(iter(runs.values()))])
    config = first.config
    system = experiments.get(config.experiment).system(config.simulation.physics)
    yardstick = evaluation.measure_floor(system, config.evaluation, seed=config.seed)
    rows, variances = {}, {}
    shown: dict[str, Any] = {}
    for name, run in runs.items():
        model = load(place.needed[run], system=system, device=config.device)
        found = evaluation.evaluate(
            {_STAGE: model.transport},
            system,
            config.evaluation,
            training_parameters=config.simulation.parameters,
            seed=config.seed,
            method=name,
            yardstick=yardstick,
        )
        rows[name] = [dataclasses.asdict(row) for row in found.rows]
        variances[name] = [
            {
                "parameter": parameter,
                "reference": _across(clouds[0]),
                "run": _across(clouds[_STAGE]),
            }
            for parameter, clouds in found.clouds.items()
        ]
        nearest = min(found.clouds, key=lambda parameter: abs(parameter - SHOWN))
        shown |= {"parameter": np.float64(nearest), "reference": found.clouds[nearest][0]}
        shown[name] = found.clouds[nearest][_STAGE].astype(np.float32)
    write_arrays(place.directory / _CLOUDS, shown)
    return {"rows": rows, "variances": variances}


def curves(store: Store, jobs: Sequence[Computation], variants: Sequence[Variant]) -> list[Curve]:
    """Scores of every variant over the seeds of the jobs."""
    documents = [store.document(job) for job in jobs]
    return [
        curve(
            [[evaluation.Row(**row) for row in found["rows"][v.name]] for found in documents],
            KIND,
            _STAGE,
        )
        for v in variants
    ]


def clouds(store: Store, job: Computation) -> tuple[float, dict[str, NDArray[np.float64]]]:
    """The parameter that is shown, and clouds of the reference and every variant at it."""
    arrays = read_arrays(store.path(job) / _CLOUDS)
    parameter = float(arrays.pop("parameter"))
    return parameter, {name: points.astype(np.float64) for name, points in arrays.items()}


def _across(points: NDArray[np.float64]) -> float:
    """Variance of the coordinates across the flow, which moves particles along the first axis."""
    return float(points[:, 1:].var(axis=0).mean())


def _evaluation(request: Request) -> EvaluationConfig:
    """The printed metric at the printed parameters."""
    if request.preset == "quick":
        return EvaluationConfig(
            parameters=(20.0, 100.0, 160.0, 200.0),
            references=2,
            floor_pairs=3,
            boxes=("joint",),
            metrics=("histogram",),
        )
    return EvaluationConfig(parameters=ks3d_laminar.TEST, boxes=("joint",), metrics=("histogram",))
