"""IMM: one step whose moments agree with those of a shorter one (Zhou et al. 2025)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from twostep_rs.config import PairedConfig
from twostep_rs.errors import ConfigError
from twostep_rs.losses.imm import IMMBatch, imm_loss
from twostep_rs.training import paired
from twostep_rs.training.jitter import jittered
from twostep_rs.training.networks import average_velocity

if TYPE_CHECKING:
    from typing import Unpack

    from torch import Tensor

    from twostep_rs.models.features import Scaling
    from twostep_rs.models.meanflow import AverageVelocity
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Options
    from twostep_rs.training.pairs import Pairs

# eta = t / (1 - t) and the logarithm of its square have no bound at t = 1.
_LAST = 0.994
_FIRST = 1e-3

# Groups of a batch, which have times of their own, and particles of a group: few of these bias the
# loss, few of those leave the gradient to chance.
_GROUPS = 16
_LARGEST = 128


@dataclass(frozen=True)
class IMMConfig(PairedConfig):
    """IMM: groups, times and kernels.

    The short step must sometimes begin where it ends, r = s: only there its particles are those of
    the data, and everything else is learned from that.

    Attributes:
        group: particles of a group, which share parameter and times; by default a sixteenth of the
            batch, and at most 128. Small groups pull every particle to its own partner
            (:func:`~twostep_rs.losses.imm.imm_loss`).
        middle: the time r between: by the published rule, a step of t / (1 - t) of the same length
            everywhere; or anywhere between s and t.
        step: length of that step.
        grounded: share of groups with r = s, whatever the rule gives.
        weighting: of the groups: equal, or the published function of t.
        bandwidths: factors of the kernels' widths, which grow with t - s.
    """

    group: int | None = None
    middle: Literal["eta", "uniform"] = "eta"
    step: float = 0.15
    grounded: float = 0.0
    weighting: Literal["equal", "published"] = "equal"
    bandwidths: tuple[float, ...] = (0.5, 1.0, 2.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive("step")
        self._require_share("grounded")
        if self.group is not None:
            self._require_at_least(2, "group")
            if self.batch % self.group:
                raise ConfigError(
                    f"group: expected a divisor of batch = {self.batch}, got {self.group}"
                )
        if not self.bandwidths or min(self.bandwidths) <= 0.0:
            raise ConfigError(f"bandwidths: expected positive numbers, got {list(self.bandwidths)}")

    @property
    def particles(self) -> int:
        """Particles of a group: those that are asked for, or the most that the default allows."""
        if self.group is not None:
            return self.group
        most = min(max(2, self.batch // _GROUPS), _LARGEST)
        # A batch that nothing divides is one group.
        divisors = (k for k in range(most, 1, -1) if self.batch % k == 0)
        return next(divisors, self.batch)


def train(
    data: TrainingData,
    config: IMMConfig,
    *,
    seed: int,
    prior: Prior | None = None,
    **options: Unpack[Options],
) -> AverageVelocity:
    """Train the map on ``data``; as for every method."""
    del prior
    return paired.train(recipe(data.scaling(), config), data, config, seed=seed, **options)


build = average_velocity


def recipe(scaling: Scaling, config: IMMConfig) -> paired.Recipe[AverageVelocity]:
    """Network, batches and loss of ``config``."""
    return paired.Recipe(
        build=functools.partial(average_velocity, scaling, config),
        draw=functools.partial(_draw, config),
        loss=functools.partial(imm_loss, bandwidths=config.bandwidths),
        name=("imm",),
    )


def draw_times(
    config: IMMConfig, groups: int, random: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Times s <= r < t of every group, each (groups, 1)."""
    uniform = torch.rand((groups, 3), generator=random, device=random.device)
    t = _FIRST + (1.0 - _FIRST) * uniform[:, :1]
    s = t * uniform[:, 1:2]
    if config.middle == "uniform":
        r = s + (t - s) * uniform[:, 2:]
    else:
        capped = t.clamp_max(_LAST)
        eta = (capped / (1.0 - capped) - config.step).clamp_min(0.0)
        r = torch.maximum(s, eta / (1.0 + eta))
    grounded = round(config.grounded * groups)
    r[:grounded] = s[:grounded]
    return t, r, s


def _draw(config: IMMConfig, pairs: Pairs, random: torch.Generator) -> IMMBatch:
    groups = config.batch // config.particles
    source, target, parameter = (
        part.view(groups, config.particles, -1)
        for part in pairs.draw_groups(groups, config.particles, random)
    )
    t, r, s = draw_times(config, groups, random)
    shared = parameter[:, 0]
    seen = jittered(shared, pairs.scaling, config.jitter, random)
    weight = torch.ones_like(t) if config.weighting == "equal" else _published_weight(t)
    return IMMBatch(source, target, shared, seen, t, r, s, weight)


def _published_weight(t: Tensor) -> Tensor:
    """Equation 13 of Zhou et al. for straight paths, with their b = 4 and a = 1."""
    t = t.clamp(_FIRST, _LAST)
    log_snr = 2.0 * torch.log((1.0 - t) / t)
    speed = 2.0 / (t * (1.0 - t))
    weight: Tensor = (
        0.5 * torch.sigmoid(4.0 - log_snr) * speed * (1.0 - t) / ((1.0 - t) ** 2 + t**2)
    )
    return weight
