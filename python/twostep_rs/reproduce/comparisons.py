"""Comparisons of methods on several systems, as documents that results keep, and their ranks."""

from __future__ import annotations

import math
import string
from typing import TYPE_CHECKING, Any

from twostep_rs.reproduce.ranking import ranking
from twostep_rs.runs.page import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twostep_rs.reproduce.method_tables import Line
    from twostep_rs.reproduce.scores import Curve

FEW = 2
"""Evaluations of a method that is compared with ours."""


def comparisons(found: Mapping[str, Line]) -> dict[str, Any]:
    """What ranks are made of, of one system, as JSON holds it.

    A comparison is a system and a seed; a method's score there is the mean logarithm of W2 squared
    over the parameters, which are no comparisons of their own: one network answers for all.

    Args:
        found: methods by name; those of more than two evaluations are left out.

    Returns:
        ``titles`` by name, and ``scores``: by name, one of each seed, null where it has diverged.
    """
    chosen = {name: line for name, line in found.items() if line.evaluations <= FEW}
    return {
        "titles": {name: line.title for name, line in chosen.items()},
        "scores": {name: [_score(seed) for seed in line.seeds] for name, line in chosen.items()},
    }


def ranks_of(systems: Sequence[Mapping[str, Any]]) -> Table:
    """Mean ranks over systems and seeds, of the methods that are measured on all systems.

    Args:
        systems: documents of :func:`comparisons`.
    """
    titles = {
        name: title
        for name, title in systems[0]["titles"].items()
        if all(name in system["titles"] for system in systems)
    }
    order = ranking(
        {
            name: [
                math.inf if score is None else score
                for system in systems
                for score in system["scores"][name]
            ]
            for name in titles
        }
    )
    letters = {
        name: "".join(
            letter
            for letter, group in zip(string.ascii_lowercase, order.groups, strict=False)
            if name in group
        )
        for name in titles
    }
    return Table(
        "Mean ranks of methods of at most two evaluations",
        ("method", "mean rank", "groups"),
        [[titles[name], f"{rank:.2f}", letters[name]] for name, rank in order.ranks.items()],
        f"Over {order.problems} comparisons (systems and seeds), by the mean logarithm of W2 "
        "squared over the parameters; a training that diverged comes last. Methods that share a "
        f"letter are not told apart: critical difference {order.critical_difference:.2f} (Nemenyi, "
        "5 %). Seeds of one system share its references' floor, not their references.",
    )


def _score(seed: Curve) -> float | None:
    if not seed:
        return None
    return sum(math.log(score.value) for score in seed.values()) / len(seed)
