"""The factor of a loss whose gradient is computed in half precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

_START = 4096.0
_GROWTH, _BACKOFF, _INTERVAL = 2.0, 0.5, 2_000


class LossScale:
    """A power of two that keeps small gradients from vanishing and large ones from overflowing.

    It is halved whenever a gradient is not finite, and doubled after 2000 steps without. As torch's
    ``GradScaler``, but all of it stays on the device, so that a recorded step can hold it.

    Args:
        device: where the gradients are.

    Attributes:
        factor: of the loss, a scalar.
        overflow: 1 where the last gradient was not finite, else 0: that step must not be taken.
    """

    def __init__(self, device: torch.device) -> None:
        self.factor = torch.full((), _START, device=device)
        self.overflow = torch.zeros((), device=device)
        self._steps = torch.zeros((), dtype=torch.int32, device=device)

    def unscale(self, gradients: Sequence[Tensor]) -> None:
        """Divide gradients by the factor in place, and adapt it."""
        self.overflow.zero_()
        torch._amp_foreach_non_finite_check_and_unscale_(
            list(gradients), self.overflow, self.factor.reciprocal()
        )
        torch._amp_update_scale_(
            self.factor, self._steps, self.overflow, _GROWTH, _BACKOFF, _INTERVAL
        )

    def state(self) -> dict[str, Tensor]:
        """What the next step depends on."""
        return {"factor": self.factor, "steps": self._steps}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from :meth:`state`."""
        self.factor.copy_(state["factor"])
        self._steps.copy_(state["steps"])
