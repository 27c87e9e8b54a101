"""Networks as configurations describe them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twostep_rs.models.meanflow import AverageVelocity

if TYPE_CHECKING:
    from twostep_rs.config import MethodConfig
    from twostep_rs.models.features import Scaling


def average_velocity(scaling: Scaling, config: MethodConfig) -> AverageVelocity:
    """The network of one-step methods, with weights from torch's global generator.

    Args:
        scaling: where the training data lie.
        config: of any method.
    """
    return AverageVelocity(
        scaling, width=config.width, depth=config.depth, head=config.head, waves=config.waves
    )
