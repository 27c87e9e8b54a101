"""The order in which stage II takes its batches, and couples them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from twostep_rs.config import StageTwoConfig


class Coupling(NamedTuple):
    """The coupling that a step is taken with.

    Attributes:
        step: the first step that is taken with it.
        batch: number of the batch.
        first_of_round: whether nothing of what was before is used any more.
    """

    step: int
    batch: int
    first_of_round: bool


def coupling_of(step: int, config: StageTwoConfig) -> Coupling:
    """The coupling that ``step`` is taken with.

    A round has ``pool`` batches, which take turns until each had ``visits``; a visit has
    ``batch_period`` steps, and its couplings are renewed every ``refresh`` steps.
    """
    visit, into_visit = divmod(step, config.batch_period)
    round_, turn = divmod(visit, config.pool * config.visits)
    first = into_visit - into_visit % config.refresh
    return Coupling(
        step=visit * config.batch_period + first,
        batch=round_ * config.pool + turn % config.pool,
        first_of_round=turn == first == 0,
    )


def next_coupling(coupling: Coupling, config: StageTwoConfig) -> Coupling:
    """The coupling after this one."""
    into_visit = coupling.step % config.batch_period
    following = min(into_visit + config.refresh, config.batch_period)
    return coupling_of(coupling.step - into_visit + following, config)


def couplings_of_a_batch(config: StageTwoConfig) -> int:
    """How often a batch is coupled before others are drawn."""
    return config.visits * -(-config.batch_period // config.refresh)
