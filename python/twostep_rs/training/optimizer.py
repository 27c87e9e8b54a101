"""Adam with clipping, cosine decay and a moving average of the weights."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from twostep_rs.config import MethodConfig, StageTwoConfig

Net = TypeVar("Net", bound=nn.Module)

# Share of the steps in which the learning rate grows from zero.
_WARM_UP = 0.02


class Optimizer(Generic[Net]):
    """Minimises a loss of ``net`` and keeps ``average``, the network to sample from.

    The average forgets with ``ema`` per step, and faster in the first steps, so that short
    trainings do not remember where they started.

    Args:
        net: trained in place.
        learning_rate: the largest; it grows for 2 % of the steps and falls to zero as a cosine.
        steps: length of the training.
        clip: largest norm of a gradient.
        ema: decay of the average per step.
    """

    def __init__(
        self, net: Net, *, learning_rate: float, steps: int, clip: float, ema: float
    ) -> None:
        self.net = net
        self.average = copy.deepcopy(net).requires_grad_(False)
        self.step = 0
        self._learning_rate = learning_rate
        self._steps = steps
        self._clip = clip
        self._ema = ema
        device = next(net.parameters()).device
        # Tensors, so that a recorded step sees what the schedule writes into them.
        self._weights: list[Tensor] = list(net.parameters())
        self._averages: list[Tensor] = list(self.average.parameters())
        self._rate = torch.zeros((), device=device)
        self._forgetting = torch.zeros((), device=device)
        self._adam = torch.optim.Adam(
            net.parameters(), lr=self._rate, fused=True, capturable=device.type == "cuda"
        )

    def schedule(self) -> None:
        """Set rates for the next :meth:`update`, and count it."""
        warm_up = max(1.0, _WARM_UP * self._steps)
        cosine = 0.5 * (1.0 + math.cos(math.pi * self.step / self._steps))
        self._rate.fill_(self._learning_rate * min((self.step + 1) / warm_up, 1.0) * cosine)
        self.step += 1
        self._forgetting.fill_(1.0 - min(self._ema, self.step / (self.step + 10.0)))

    def update(self, overflow: Tensor | None = None) -> None:
        """Take the scheduled step against the gradients that the parameters hold.

        Args:
            overflow: 1 on the device where they are not finite, and no step is to be taken.
        """
        if overflow is not None:
            self._adam.found_inf = overflow  # type: ignore[attr-defined]
        nn.utils.clip_grad_norm_(self._weights, self._clip)
        self._adam.step()
        self._update_average()

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "adam": self._adam.state_dict(),
            "step": self.step,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self._adam.load_state_dict(state["adam"])
        for group in self._adam.param_groups:
            group["lr"] = self._rate
        self.step = state["step"]

    @torch.no_grad()
    def _update_average(self) -> None:
        # average + forgetting (weight - average), all tensors at once.
        change = torch._foreach_sub(self._weights, self._averages)  # noqa: SLF001
        torch._foreach_mul_(change, self._forgetting)
        torch._foreach_add_(self._averages, change)


def initialised(
    build: Callable[[], Net],
    config: MethodConfig | StageTwoConfig,
    *,
    seed: int,
    device: torch.device,
) -> Optimizer[Net]:
    """An optimiser of a new network, whose first weights are fixed by ``seed`` on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net = build().to(device)
    return Optimizer(
        net,
        learning_rate=config.learning_rate,
        steps=config.steps,
        clip=config.clip,
        ema=config.ema,
    )
