"""What makes two trainings the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from twostep_rs.config import MethodConfig, StageTwoConfig
    from twostep_rs.training.data import TrainingData


def fingerprint(
    data: TrainingData, config: MethodConfig | StageTwoConfig, seed: int, *more: str
) -> str:
    """A hash of data, configuration, seed and what else the training depends on."""
    content = json.dumps([data.fingerprint(), asdict(config), seed, *more], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def weights_hash(net: nn.Module) -> str:
    """A hash of the weights of ``net``."""
    digest = hashlib.sha256()
    for name, tensor in net.state_dict().items():
        digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
