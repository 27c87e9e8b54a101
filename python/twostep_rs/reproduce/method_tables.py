"""Methods beside each other: their lines in tables, ranks, and verdicts on ours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.reproduce.claims import Claim, verdict_of
from twostep_rs.reproduce.comparisons import FEW, comparisons, ranks_of
from twostep_rs.reproduce.competition import lost
from twostep_rs.reproduce.scores import Curve, curve, ratio_at
from twostep_rs.reproduce.untrained import entropic_particles
from twostep_rs.runs.page import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.reproduce.scores import Score
    from twostep_rs.reproduce.target import Request
    from twostep_rs.runs.evaluation import Row
    from twostep_rs.runs.table import Kind


@dataclass(frozen=True)
class Line:
    """A method in a table.

    Attributes:
        title: of it.
        evaluations: of networks, for a particle.
        scores: by parameter, over the seeds that are left; none where all have diverged.
        seeds: the same of every seed alone.
    """

    title: str
    evaluations: int
    scores: Curve
    seeds: Sequence[Curve]

    @property
    def complete(self) -> bool:
        """Whether no seed has diverged."""
        return all(self.seeds)

    @property
    def label(self) -> str:
        """The title, and the seeds that are lost."""
        return f"{self.title}{lost(self.seeds)}"


def line_of(
    title: str, evaluations: int, seeds: Sequence[Sequence[Row]], kind: Kind, stage: int
) -> Line:
    """The line of a stage, from the rows of every seed.

    Args:
        title: of the method.
        evaluations: of networks, for a particle.
        seeds: rows of the evaluation of each; none where it has diverged.
        kind: what was measured.
        stage: of the method.
    """
    alone = [curve([rows], kind, stage) for rows in seeds]
    return Line(title, evaluations, curve(seeds, kind, stage), alone)


def scores_table(
    found: Mapping[str, Line], untrained: Mapping[str, Curve], request: Request
) -> Table:
    """Ratios to the sampling floor, of methods and of what has no network.

    Args:
        found: methods by name.
        untrained: scores of the others by name.
        request: what was asked for.
    """
    first = next(iter(untrained.values()))
    floor = ["sampling floor itself", "", *(f"{score.floor:.5f}" for score in first.values())]
    return Table(
        "W2 squared over the sampling floor",
        ("method", "evaluations", *(_heading(p, score) for p, score in first.items())),
        [
            floor,
            *(
                [
                    line.label,
                    str(line.evaluations),
                    *(ratio_at(line.scores, parameter) for parameter in first),
                ]
                for line in found.values()
            ),
            *(
                [name, "0", *(score.ratio_text for score in each.values())]
                for name, each in untrained.items()
            ),
        ],
        f"Mean over {len(request.seeds)} seeds ± its standard error, that of the floor included. "
        "+ DP: stage II behind it, with the same options for all. * lies outside the range of "
        "training; diverged: no training of any seed has come to an end. All were given the same "
        "clouds, steps, batch, width and size of search. The "
        f"entropic map is that of {entropic_particles(request.preset)} particles.",
    )


def _heading(parameter: float, score: Score) -> str:
    return f"{parameter:.4g}{'' if score.training_range else ' *'}"


def ranks_table(problems: Mapping[str, Mapping[str, Line]]) -> Table:
    """Mean ranks over systems and seeds, of the methods of at most two evaluations."""
    return ranks_of([comparisons(found) for found in problems.values()])


def lowest(system: str, ours: Line, found: Mapping[str, Line]) -> Claim:
    """Ours against every method of at most two evaluations, at every parameter."""
    below = [
        f"{line.title} at {parameter:g} ({line.scores[parameter].ratio:.2f} against "
        f"{score.ratio:.2f})"
        for parameter, score in ours.scores.items()
        for line in found.values()
        if line is not ours
        and line.evaluations <= FEW
        and parameter in line.scores
        and significantly_below(line.scores[parameter], score)
    ]
    return _claim(
        f"two-step as it is has the lowest W2 squared of all methods of at most two evaluations at "
        f"every parameter, within two standard errors ({system})",
        ours,
        below,
        "nobody is below it by more than two standard errors",
    )


def untrained_claim(system: str, ours: Line, references: Mapping[str, Curve]) -> Claim:
    """Ours against what is made of the training clouds without a network."""
    below = [
        f"{name} at {parameter:g} ({each[parameter].ratio:.2f} against {score.ratio:.2f})"
        for parameter, score in ours.scores.items()
        for name, each in references.items()
        if significantly_below(each[parameter], score)
    ]
    return _claim(
        f"two-step as it is lies nowhere above what training clouds give without a network, within "
        f"two standard errors ({system})",
        ours,
        below,
        "none of them is below it by more than two standard errors",
    )


def _claim(statement: str, ours: Line, below: Sequence[str], otherwise: str) -> Claim:
    """It holds where nothing is below ours and all of our trainings have come to an end."""
    count = sum(not seed for seed in ours.seeds)
    diverged = [f"{count} of {len(ours.seeds)} trainings of it diverged"] if count else []
    return Claim(
        statement,
        verdict_of(ours.complete and not below),
        "; ".join([*diverged, *below]) or otherwise,
    )


def significantly_below(one: Score, other: Score) -> bool:
    """Whether one lies below the other by more than two standard errors."""
    return other.value - one.value > 2.0 * math.hypot(one.error, other.error)


def worst_table(problems: Mapping[str, Mapping[str, Line]]) -> Table:
    """The largest ratio inside the range of training and beyond it, of every method."""
    names = dict.fromkeys(name for found in problems.values() for name in found)
    titles = {name: line.title for found in problems.values() for name, line in found.items()}
    return Table(
        "Largest W2 squared over the sampling floor, inside the range of training and beyond",
        ("method", *problems),
        [
            [titles[name], *(_worst(found.get(name)) for found in problems.values())]
            for name in names
        ],
        "A dash where the range of training covers all parameters that are measured.",
    )


def _worst(line: Line | None) -> str:
    if line is None:
        return ""
    if not line.scores:
        return "diverged"
    inside, outside = (
        max((s.ratio for s in line.scores.values() if s.training_range == within), default=None)
        for within in (True, False)
    )
    return " / ".join("-" if ratio is None else f"{ratio:.2f}" for ratio in (inside, outside))
