"""One seed, many independent streams."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def derive(seed: int, *purpose: str | int) -> int:
    """A seed for ``purpose``: a function of both that keeps purposes independent."""
    key = [part if isinstance(part, int) else zlib.crc32(part.encode()) for part in purpose]
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, *purpose: str | int, device: torch.device | str) -> torch.Generator:
    """A torch generator for ``purpose`` on ``device``."""
    return torch.Generator(device=device).manual_seed(derive(seed, *purpose))
