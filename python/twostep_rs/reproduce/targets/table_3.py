"""Table 3 and figure 9: exact couplings against entropic ones."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from twostep_rs.reproduce.claims import Claim, verdict_of
from twostep_rs.reproduce.scores import numbers
from twostep_rs.reproduce.target import Request, Summary, Target
from twostep_rs.reproduce.targets import ablations, columns, printed
from twostep_rs.reproduce.targets.ablations import Unit, Variant
from twostep_rs.reproduce.targets.columns import Column, mean_gap
from twostep_rs.runs.page import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.reproduce.job import Computation, Job
    from twostep_rs.reproduce.store import Store

# Distances that differ by less count as equal: a tenth of what the paper calls minor.
_EQUAL = 1e-4
_ORDER = 10.0

# Of the interval in which a factor is sought.
_HALVINGS = 60

_NAMES: dict[Unit, str] = {"absolute": "table-3", "mean-cost": "table-3-relative"}
_PAPER = "Two-Step Diffusion, section 6.4"


def _exact(request: Request) -> Variant:
    return Variant(batch=500 if request.preset == "quick" else 1_500)


def _variants(request: Request, unit: Unit) -> dict[str, Variant]:
    batch = _exact(request).batch
    every = (0.05, 0.01) if request.preset == "quick" else tuple(printed.SINKHORN)
    found = {f"eps {eps:g}": Variant(batch, epsilon=eps, unit=unit) for eps in every}
    largest = max(every)
    found[f"eps {largest:g}, debiased"] = Variant(batch, epsilon=largest, unit=unit, debias=True)
    return found | {"exact": _exact(request)}


def _evaluated(request: Request, unit: Unit) -> list[Computation]:
    variants = list(_variants(request, unit).values())
    return [ablations.evaluated(_NAMES[unit], request, seed, variants) for seed in request.seeds]


def _jobs(unit: Unit, request: Request) -> list[Job]:
    return list(_evaluated(request, unit))


def _summarise(unit: Unit, request: Request, store: Store) -> Summary:
    """Scores, times and variances, and what became of the paper's findings."""
    variants, evaluated = _variants(request, unit), _evaluated(request, unit)
    scores = ablations.curves(store, evaluated, list(variants.values()))
    found = {
        label: Column(
            label,
            curve,
            columns.spent(store, request, variant),
            *_as_printed(variant, comparable=_exact(request).batch == Variant.batch),
        )
        for (label, variant), curve in zip(variants.items(), scores, strict=True)
    }
    variances = {label: _variance(store, evaluated, variant) for label, variant in variants.items()}
    price = ablations.base(request, request.seeds[0]).config.stage_2.residual_weight
    return Summary(
        {
            "scores": numbers({label: column.scores for label, column in found.items()}),
            "spent": columns.document(list(found.values())),
            "variances": variances,
        },
        [
            columns.table("Solver of the couplings", list(found.values()), columns.note(request)),
            _variance_table(variants, variances, price),
        ],
        {},
        [*_claims(found, variants), _contraction(variants, variances, price)]
        if unit == "absolute"
        else [],
    )


def _as_printed(variant: Variant, *, comparable: bool) -> tuple[dict[float, float], float | None]:
    """The printed column, where the batch is of the printed size."""
    if not comparable or variant.unit != "absolute" or variant.debias:
        return {}, None
    if variant.epsilon is None:
        return printed.by_sigma(printed.BATCH[1_500]), printed.BATCH_SECONDS[1_500]
    seconds = printed.SINKHORN_SECONDS[variant.epsilon]
    return printed.by_sigma(printed.SINKHORN[variant.epsilon]), seconds


def _variance(store: Store, evaluated: Sequence[Computation], variant: Variant) -> dict[str, float]:
    """Variance across the flow against that of the reference, over parameters and seeds."""
    rows = [row for job in evaluated for row in store.document(job)["variances"][variant.name]]
    gaps = [row["run"] - row["reference"] for row in rows]
    return {
        "reference": float(np.mean([row["reference"] for row in rows])),
        "gap": float(np.mean(gaps)),
        "standard_error": float(np.std(gaps, ddof=1) / np.sqrt(len(gaps))),
    }


def _variance_table(
    variants: Mapping[str, Variant],
    variances: Mapping[str, Mapping[str, float]],
    price: float,
) -> Table:
    reference = variances["exact"]["reference"]

    def predicted(variant: Variant) -> str:
        if variant.unit == "mean-cost":
            return ""
        epsilon = 0.0 if variant.debias else variant.epsilon or 0.0
        return f"{contracted(reference, epsilon, price) - reference:+.5f}"

    return Table(
        "Variance across the flow, less that of the reference",
        ("solver", "predicted", "measured"),
        [
            [
                label,
                predicted(variant),
                f"{variances[label]['gap']:+.5f} ± {variances[label]['standard_error']:.5f}",
            ]
            for label, variant in variants.items()
        ],
        f"Per axis, mean over parameters and seeds; the reference has {reference:.3f}. Predicted "
        f"for normal laws, a stage I of the right law and the price {price:g} of the correction; "
        "without a price variances end smaller by epsilon / 2.",
    )


def contracted(variance: float, epsilon: float, price: float = 0.0) -> float:
    """Variance at which a map that follows barycentres of an entropic plan is at rest.

    Between normal laws of variances v and w the plan has the covariance
    ``c = sqrt(v w + (epsilon / 4)^2) - epsilon / 4`` and barycentres lie at ``c / v`` times the
    source. The map ``a x`` that minimises ``|a x - c / v a x|^2 + price |a x - x|^2`` has
    ``a (1 + price - c / v) = price``; without a price it is at rest where v = w - epsilon / 2.

    Args:
        variance: of an axis of the target law, and of the law that is corrected.
        epsilon: strength of the entropy, in units of the cost.
        price: of the squared correction.

    Example:
        >>> round(contracted(0.2, 0.05), 6)
        0.175
        >>> contracted(0.2, 0.0, price=1.0)
        0.2
    """
    low, high = math.sqrt(max(1.0 - epsilon / (2.0 * variance), 0.0)), 1.0
    for _ in range(_HALVINGS):
        factor = 0.5 * (low + high)
        moved = factor**2 * variance
        covariance = math.sqrt(moved * variance + (epsilon / 4.0) ** 2) - epsilon / 4.0
        if factor * (1.0 + price - covariance / moved) < price:
            low = factor
        else:
            high = factor
    return high**2 * variance if price > 0.0 else low**2 * variance


def _claims(found: Mapping[str, Column], variants: Mapping[str, Variant]) -> list[Claim]:
    absolute = {
        variant.epsilon: found[label]
        for label, variant in variants.items()
        if variant.epsilon and not variant.debias
    }
    largest, least = absolute[max(absolute)], absolute[min(absolute)]
    exact = found["exact"]
    blur, blur_error = mean_gap(largest.scores, exact.scores)
    near, near_error = mean_gap(least.scores, exact.scores)
    memory = min(
        column.spent.memory_mb + column.spent.gpu_memory_mb for column in absolute.values()
    )
    own = exact.spent.memory_mb + exact.spent.gpu_memory_mb
    return [
        Claim(
            f"a large epsilon ({max(absolute):g}) gives visibly higher distances than exact plans",
            verdict_of(blur > 2.0 * blur_error),
            f"higher by {blur:.5f} ± {blur_error:.5f} in the range of training",
        ),
        Claim(
            f"the smallest epsilon ({min(absolute):g}) is closest to exact plans",
            verdict_of(abs(near) < max(blur, 2.0 * near_error)),
            f"it differs by {near:+.5f} ± {near_error:.5f}",
        ),
        *_time_claims(absolute, exact),
        Claim(
            "exact couplings take the least memory",
            verdict_of(own <= memory),
            f"{own:.0f} MB in all, {memory:.0f} MB with Sinkhorn",
        ),
    ]


def _time_claims(absolute: Mapping[float, Column], exact: Column) -> list[Claim]:
    """Waiting for couplings: at equal accuracy, and against the fastest whatever it costs."""
    own = exact.spent.couplings
    gaps = {eps: mean_gap(column.scores, exact.scores)[0] for eps, column in absolute.items()}
    times = {eps: column.spent.couplings / own for eps, column in absolute.items()}
    equal = [eps for eps, gap in gaps.items() if gap <= _EQUAL]
    told = {
        eps: f"{absolute[eps].spent.couplings:.1f} s at epsilon = {eps:g}, {times[eps]:.1f} times "
        f"as long, distance {gaps[eps]:+.5f}"
        for eps in absolute
    }
    fastest = min(absolute, key=lambda eps: absolute[eps].spent.couplings)
    least = min((times[eps] for eps in equal), default=math.inf)
    return [
        Claim(
            f"exact couplings take less time than Sinkhorn at equal accuracy (ours: distances "
            f"within {_EQUAL:g} of exact plans)",
            verdict_of(least > 1.0),
            f"exact plans {own:.1f} s; Sinkhorn "
            + ("; ".join(told[eps] for eps in equal) or "reaches it at no epsilon"),
        ),
        Claim(
            "exact couplings are an order of magnitude faster than even the fastest Sinkhorn run",
            verdict_of(times[fastest] >= _ORDER),
            f"exact plans {own:.1f} s; the fastest is no equal: {told[fastest]}"
            if fastest not in equal
            else f"exact plans {own:.1f} s; {told[fastest]}",
        ),
    ]


def _contraction(
    variants: Mapping[str, Variant], variances: Mapping[str, Mapping[str, float]], price: float
) -> Claim:
    label = next(k for k, v in variants.items() if v.epsilon == 0.05)
    measured, reference = variances[label]["gap"], variances["exact"]["reference"]
    bound = contracted(reference, 0.05, price) - reference
    exact = variances["exact"]["gap"]
    debiased = next(variances[k]["gap"] for k, v in variants.items() if v.debias)
    due = measured - exact
    return Claim(
        "a large epsilon smooths the plan and blurs distributions",
        "not reproduced" if due < 0.5 * bound else "open",
        f"it contracts them: the variance across the flow changes by {measured:+.4f} at epsilon = "
        f"0.05 and, since batches are finite, by {exact:+.4f} with exact plans too, so that "
        f"{due:+.4f} is due to the entropy; {bound:+.4f} is predicted of undebiased Sinkhorn. With "
        f"the bias of both taken out the change is {debiased:+.4f}",
    )


def draw(request: Request, store: Store) -> Summary:
    """Figure 9: projections of every variant."""
    from twostep_rs.runs.figures import projections

    variants = _variants(request, "absolute")
    sigma, clouds = ablations.clouds(store, _evaluated(request, "absolute")[0])
    shown = {"reference": clouds["reference"]} | {
        label: clouds[variant.name] for label, variant in variants.items() if not variant.debias
    }
    figure = projections(shown, f"sigma = {sigma:g}", names={label: label for label in shown})
    return Summary({"parameter": sigma, "shown": list(shown)}, (), {"figure-9": figure})


TARGETS = (
    Target(
        "table-3",
        "exact against entropic couplings: distance, time, memory, contraction",
        f"{_PAPER}, table 3",
        functools.partial(_jobs, "absolute"),
        functools.partial(_summarise, "absolute"),
    ),
    Target(
        "table-3-relative",
        "the same with epsilon in units of each problem's mean cost",
        f"{_PAPER}, table 3, whose costs may be scaled",
        functools.partial(_jobs, "mean-cost"),
        functools.partial(_summarise, "mean-cost"),
    ),
    Target(
        "figure-9",
        "projections by exact and entropic couplings",
        f"{_PAPER}, figure 9",
        functools.partial(_jobs, "absolute"),
        draw,
    ),
)
