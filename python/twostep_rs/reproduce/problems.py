"""The systems on which methods are compared, and the runs that compete there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twostep_rs.reproduce.competition import clouds_run, competitor
from twostep_rs.reproduce.yardsticks import thinned

if TYPE_CHECKING:
    from twostep_rs.reproduce.entries import Entry
    from twostep_rs.reproduce.job import Computation, RunJob
    from twostep_rs.reproduce.target import Request
    from twostep_rs.systems.keller_segel import Physics


@dataclass(frozen=True)
class Problem:
    """A system of the comparison.

    Attributes:
        name: of its target, behind ``methods-``.
        experiment: as on the command line.
        physics: its constants and time step; those of the preset where there is no choice.
        costly: whether simulations of references take so long that every method, and what needs no
            training, is measured at about half of the parameters.
    """

    name: str
    experiment: str
    physics: Physics | None = None
    costly: bool = False


PROBLEMS = (
    Problem("laminar", "ks3d-laminar"),
    Problem("kolmogorov", "ks3d-kolmogorov", "resolved", costly=True),
    Problem("4d", "ks4d-laminar", costly=True),
    Problem("aggregating", "ks3d-laminar", "aggregating", costly=True),
    Problem("kpp2d", "kpp2d"),
)


def competing_run(
    problem: Problem,
    request: Request,
    seed: int,
    entry: Entry,
    options_of: Computation | None = None,
) -> RunJob:
    """The training of an entry on a system.

    Args:
        problem: the system.
        request: as for every run.
        seed: of clouds and training.
        entry: the method.
        options_of: the search for its options; they are those of the entry by default.
    """
    run = competitor(
        entry,
        problem.experiment,
        request,
        seed,
        physics=problem.physics,
        options_of=options_of,
    )
    return thinned(run) if problem.costly else run


def problem_clouds(problem: Problem, request: Request, seed: int) -> RunJob:
    """The training clouds of a seed, measured at the parameters of all that compete."""
    run = clouds_run(problem.experiment, request, seed, problem.physics)
    return thinned(run) if problem.costly else run
