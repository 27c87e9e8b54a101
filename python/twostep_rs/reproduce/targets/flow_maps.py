"""Table 3 and figures 3 and 5 of flow map matching: one-step maps to the checkerboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from twostep_rs.experiments import checkerboard
from twostep_rs.reproduce.claims import Claim, verdict_of
from twostep_rs.reproduce.flow_maps.jobs import Scores, Training
from twostep_rs.reproduce.flow_maps.models import MODELS, VELOCITY
from twostep_rs.reproduce.target import Request, Summary, Target
from twostep_rs.runs.page import Table
from twostep_rs.runs.table import plus_minus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from twostep_rs.config import Config
    from twostep_rs.reproduce.claims import Verdict
    from twostep_rs.reproduce.job import Job
    from twostep_rs.reproduce.store import Store

_PAPER = "Flow Map Matching (Boffi et al. 2024)"

# Table 3: divergence, W2 squared to the data and to the velocity's flow, mean squared error
# beside it. Eulerian distillation is called EMD there.
PRINTED: Mapping[tuple[str, int], tuple[float | None, ...]] = {
    (VELOCITY, 0): (0.020, 0.026, 0.0, 0.0),
    ("lmd", 1): (0.043, 0.059, 0.032, 0.085),
    ("eulerian", 1): (0.079, 0.029, 0.010, 0.011),
    ("fmm", 1): (0.104, 0.021, None, 0.026),
    ("fmm-4", 4): (0.045, 0.014, None, 0.024),
    ("pfmm", 1): (0.043, 0.014, None, 0.023),
}
# Tables of the paper that are not reproduced.
NOT_RUN: Mapping[str, str] = {
    "table 1 (CIFAR-10)": "not run: data not available here",
    "table 2 (ImageNet 32 x 32)": "not run: data not available here",
    "table 4 (networks for both)": "not run: data not available here",
}

_NAMES = ("divergence", "to_data", "to_flow", "error")

_HEADING = (
    *("map", "jumps", "KL", "printed", "W2 squared to data", "printed"),
    *("W2 squared to SI", "printed", "squared error to SI", "printed", "outside"),
)

# Ratios to a velocity whose own divergence is above this say nothing of maps.
_LEARNED = 0.1

# A ratio of divergences counts as the printed one within this factor; training draws scatter.
_ALIKE = 1.25

# Squared distance from which on a point counts as moved, and the maps of figure 5.
_MOVED = 1.0
_COMPARED = ("lmd", "eulerian", "fmm", "pfmm")


class _Mean(NamedTuple):
    """A mean over seeds and its standard error, which one seed does not have."""

    value: float
    error: float | None

    def __str__(self) -> str:
        if self.error is None:
            return f"{self.value:.4f}"
        return plus_minus(self.value, self.error)


Found = dict[tuple[str, int], dict[str, _Mean]]


def _scores(request: Request, seed: int, model: str | None) -> Scores:
    return Scores(model, _base(request, seed))


def _base(request: Request, seed: int) -> Config:
    # Of a flow map, so that overrides reach what all of them have.
    config = checkerboard.config(request.preset).for_method(MODELS[VELOCITY].method)
    return request.configured(config, seed)


def _jobs(request: Request, models: Sequence[str | None] = (None, *MODELS)) -> list[Job]:
    return [_scores(request, seed, model) for seed in request.seeds for model in models]


def _table(request: Request, store: Store) -> Summary:
    found, floor = _found(request, store), _floor(request, store)
    lines = [
        [MODELS[model].title, str(jumps or "flow")]
        + [cell for k, name in enumerate(_NAMES) for cell in _cells(scores, name, model, jumps, k)]
        + [f"{scores['outside'].value:.2%}"]
        for (model, jumps), scores in found.items()
    ]
    lines.append(
        ["draws of the law", "", str(floor["divergence"]), "", str(floor["to_data"])] + 6 * [""]
    )
    table = Table("Maps to the checkerboard", _HEADING, lines, _note(request))
    return Summary(
        {
            "scores": [
                {"model": model, "jumps": jumps, **{name: list(x) for name, x in scores.items()}}
                for (model, jumps), scores in found.items()
            ],
            "floor": {name: list(x) for name, x in floor.items()},
            "not_run": dict(NOT_RUN),
        },
        [table],
        _curves(request, store),
        [*_ratio_claims(found), *_order_claims(found), _best_claim(found)],
    )


def _note(request: Request) -> str:
    first = _scores(request, request.seeds[0], None)
    return (
        f"KL by {first.density} points on cells of side 0.1 against exact masses; W2 squared is "
        f"exact. The last line is what independent draws of the law come to. Mean over "
        f"{len(request.seeds)} seeds of training. SI is the flow of the learned velocity. The "
        "paper states neither the scale of its board nor its estimator: ratios are compared."
    )


def _found(request: Request, store: Store) -> Found:
    """Scores by model and jumps (0 for the velocity's flow), over seeds."""
    every: dict[tuple[str, int], dict[str, list[float]]] = {}
    for seed in request.seeds:
        for model in MODELS:
            document = store.document(_scores(request, seed, model))["scores"]
            for jumps, scores in document.items():
                key = (model, 0 if model == VELOCITY else int(jumps))
                for name, value in scores.items():
                    number = value[0] if isinstance(value, list) else value
                    every.setdefault(key, {}).setdefault(name, []).append(number)
    return {
        key: {name: _over_seeds(values) for name, values in scores.items()}
        for key, scores in every.items()
    }


def _floor(request: Request, store: Store) -> dict[str, _Mean]:
    documents = [store.document(_scores(request, seed, None)) for seed in request.seeds]
    return {
        name: _over_seeds([document[name][0] for document in documents])
        if len(documents) > 1
        else _Mean(*documents[0][name])
        for name in ("divergence", "to_data")
    }


def _over_seeds(values: Sequence[float]) -> _Mean:
    several = len(values) > 1
    error = float(np.std(values, ddof=1) / len(values) ** 0.5) if several else None
    return _Mean(float(np.mean(values)), error)


def _cells(
    scores: Mapping[str, _Mean], name: str, model: str, jumps: int, column: int
) -> tuple[str, str]:
    printed = PRINTED.get((model, jumps), (None,) * len(_NAMES))[column]
    ours = str(scores[name]) if name in scores else ""
    return ours, "" if printed is None else f"{printed:.3f}"


def _ratio_claims(found: Found) -> list[Claim]:
    claims = []
    base = found[VELOCITY, 0]["divergence"].value
    for (model, jumps), (printed, *_) in PRINTED.items():
        if model == VELOCITY:
            continue
        assert printed is not None
        claimed = printed / PRINTED[VELOCITY, 0][0]  # type: ignore[operator]
        ratio = found[model, jumps]["divergence"].value / base
        verdict: Verdict = "reproduced"
        if base > _LEARNED:
            verdict = "open"
        elif ratio > _ALIKE * claimed:
            verdict = "not reproduced"
        elif ratio < claimed / _ALIKE:
            verdict = "better"
        claims.append(
            Claim(
                f"{_label(model, jumps)} has {claimed:.2f} times the KL of SI",
                verdict,
                f"{ratio:.2f} times {base:.4f}",
            )
        )
    return claims


def _order_claims(found: Found) -> list[Claim]:
    def order(name: str, low: tuple[str, int], high: tuple[str, int], words: str) -> Claim:
        one, other = found[low][name].value, found[high][name].value
        return Claim(
            words,
            verdict_of(one < other),
            f"{one:.4f} against {other:.4f}",
        )

    lmd, eulerian, fmm = ("lmd", 1), ("eulerian", 1), ("fmm", 1)
    return [
        order("divergence", lmd, eulerian, "LMD has a lower KL than Eulerian distillation"),
        order("divergence", ("fmm-4", 4), fmm, "four jumps of FMM have a lower KL than one"),
        order("divergence", ("pfmm", 1), fmm, "PFMM has a lower KL than FMM in one jump"),
        order("error", eulerian, lmd, "Eulerian distillation is nearer to its teacher than LMD"),
    ]


def _best_claim(found: Found) -> Claim:
    printed = min(
        values[0] for (model, jumps), values in PRINTED.items() if jumps == 1 and values[0]
    )
    claimed = printed / PRINTED[VELOCITY, 0][0]  # type: ignore[operator]
    base = found[VELOCITY, 0]["divergence"].value
    one_step = {
        model: scores["divergence"].value / base
        for (model, jumps), scores in found.items()
        if jumps == 1
    }
    best = min(one_step, key=one_step.__getitem__)
    verdict: Verdict = "better" if one_step[best] < claimed else "not reproduced"
    return Claim(
        f"the best one-step map has {claimed:.2f} times the KL of SI",
        "open" if base > _LEARNED else verdict,
        f"{MODELS[best].title}, {one_step[best]:.2f} times {base:.4f}",
    )


def _label(model: str, jumps: int) -> str:
    title = MODELS[model].title
    return title if jumps == 1 else f"{title}, {jumps} jumps,"


def _curves(request: Request, store: Store) -> dict[str, Any]:
    from twostep_rs.reproduce.flow_maps.figures import training_curves

    seed = request.seeds[0]
    curves = {
        MODELS[model].title: store.document(Training(model, _base(request, seed)))["curve"]
        for model in ("lmd", "eulerian")
    }
    return {"flow-map-training": training_curves(curves)}


def _clouds(request: Request, store: Store, model: str) -> dict[str, Any]:
    """Source particles, where the velocity leads them, and images by the fewest jumps."""
    from twostep_rs.reproduce.flow_maps.work import CLOUDS

    job = _scores(request, request.seeds[0], model)
    with np.load(store.path(job) / CLOUDS) as clouds:
        source, flow = clouds["source"], clouds["flow"]
        jumps = MODELS[model].jumps
        image = clouds[str(jumps[0])] if jumps else flow
    return {"source": source, "flow": flow, "image": image}


def _figure_3(request: Request, store: Store) -> Summary:
    from twostep_rs.reproduce.flow_maps.figures import clouds_and_assignment

    found, panels = _found(request, store), {}
    for model, known in MODELS.items():
        jumps = known.jumps[0] if known.jumps else 0
        clouds = _clouds(request, store, model)
        title = f"{known.title}\nKL {found[model, jumps]['divergence'].value:.3f}"
        panels[title] = (clouds["source"], clouds["image"])
    return Summary({}, (), {"flow-map-figure-3": clouds_and_assignment(panels)})


def _figure_5(request: Request, store: Store) -> Summary:
    from twostep_rs.reproduce.flow_maps.figures import moved_points

    panels = {MODELS[model].title: _clouds(request, store, model) for model in _COMPARED}
    return Summary({}, (), {"flow-map-figure-5": moved_points(panels, _MOVED)})


def _target(number: str, title: str, summarise: Callable[[Request, Store], Summary]) -> Target:
    kind, _, index = number.partition("-")
    return Target(f"flow-map-{number}", title, f"{_PAPER}, {kind} {index}", _jobs, summarise)


TARGETS = (
    _target("table-3", "one-step maps to the checkerboard", _table),
    _target("figure-3", "clouds of the maps, and which square a particle goes to", _figure_3),
    _target("figure-5", "particles that maps take elsewhere than the velocity does", _figure_5),
)
