"""Claims of a paper and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["reproduced", "not reproduced", "better", "open"]


@dataclass(frozen=True)
class Claim:
    """A claim, and the verdict on it.

    Attributes:
        statement: what the paper says.
        verdict: whether our numbers say so too; ``better`` where they say more than was claimed,
            ``open`` where they cannot decide.
        reason: the numbers that decide, in words.
    """

    statement: str
    verdict: Verdict
    reason: str


def verdict_of(holds: bool) -> Verdict:
    """The verdict on a claim that holds here or does not."""
    return "reproduced" if holds else "not reproduced"
