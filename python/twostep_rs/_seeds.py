"""Seeds of everything a run draws, from the one seed of its configuration.

A run with seed ``s`` draws its clouds with the seeds ``(s + 1) 2^32 + purpose 2^28 + index``. No
two purposes of one run and no two runs share one, and none lies below ``2^32``: seeds that a
person types never repeat a cloud of training or evaluation.
"""

from __future__ import annotations

from enum import IntEnum

from twostep_rs._scalars import as_integer

LARGEST_SEED = 2**32 - 2

_LARGEST_INDEX = 2**28 - 1


class Purpose(IntEnum):
    """What a cloud is drawn for."""

    TRAINING = 0
    SOURCE = 1
    REFERENCE = 2


def cloud_seed(seed: int, purpose: Purpose, index: int = 0) -> int:
    """Seed of cloud ``index`` of a purpose, below 2^64.

    Args:
        seed: seed of the run, from 0 to 2^32 - 2.
        purpose: what the cloud is for.
        index: which one, from 0 to 2^28 - 1.

    Raises:
        InputError: a number out of range.
    """
    seed = as_integer("seed", seed, low=0, high=LARGEST_SEED)
    index = as_integer("index", index, low=0, high=_LARGEST_INDEX)
    return (seed + 1 << 32) + (int(purpose) << 28) + index
