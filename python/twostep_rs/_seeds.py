"""Seeds of the clouds of a run, from the one seed of its configuration.

A run with seed ``s`` draws its clouds with the seeds ``2^63 + 2^31 s + 2^28 purpose + index``. No
two purposes of one run and no two runs share one. Training derives the seeds of everything else
below ``2^63``, where those that a person types lie too, so that none of them ever repeats a cloud
of the evaluation.
"""

from __future__ import annotations

from enum import IntEnum

from twostep_rs._scalars import as_integer

LARGEST_SEED = 2**32 - 1

_LARGEST_INDEX = 2**28 - 1


class Purpose(IntEnum):
    """What a cloud is drawn for."""

    TRAINING = 0
    SOURCE = 1
    REFERENCE = 2
    GROWTH = 3


def cloud_seed(seed: int, purpose: Purpose, index: int = 0) -> int:
    """Seed of cloud ``index`` of a purpose, from 2^63 to 2^64 - 1.

    Args:
        seed: seed of the run, from 0 to 2^32 - 1.
        purpose: what the cloud is for.
        index: which one, from 0 to 2^28 - 1.

    Raises:
        InputError: a number out of range.
    """
    seed = as_integer("seed", seed, low=0, high=LARGEST_SEED)
    index = as_integer("index", index, low=0, high=_LARGEST_INDEX)
    return (1 << 63) + (seed << 31) + (int(purpose) << 28) + index
