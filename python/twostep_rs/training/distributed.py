"""The processes of a training that is spread over several."""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import distributed

if TYPE_CHECKING:
    from torch import Tensor

# One rank may simulate for long while the others wait for it.
_PATIENCE = datetime.timedelta(days=7)


class Ranks(NamedTuple):
    """This process among those that train together."""

    rank: int
    size: int

    @property
    def several(self) -> bool:
        """Whether there are others."""
        return self.size > 1

    @property
    def leads(self) -> bool:
        """Whether this one writes the files."""
        return self.rank == 0

    def share(self) -> slice:
        """The rows, or problems, of this one."""
        return slice(self.rank, None, self.size)


def ranks() -> Ranks:
    """This process in the default process group; alone where there is none."""
    if distributed.is_available() and distributed.is_initialized():
        return Ranks(distributed.get_rank(), distributed.get_world_size())
    return Ranks(0, 1)


def started_by_torchrun() -> bool:
    """Whether the environment says that this is one of several processes."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def place() -> int:
    """The number of this process on its host."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def join() -> Ranks:
    """Join the processes that torchrun started; alone where it did not."""
    if started_by_torchrun() and not distributed.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        distributed.init_process_group(backend, timeout=_PATIENCE)
    return ranks()


def leave() -> None:
    """Leave the process group, if there is one."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def told(message: Any) -> Any:
    """What the leading rank says; the others give None."""
    box = [message]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def agreed(value: Any) -> bool:
    """Whether all ranks have the same value."""
    found = [None] * ranks().size
    distributed.all_gather_object(found, value)
    return all(other == value for other in found)


def summed(tensor: Tensor) -> Tensor:
    """The sum over ranks, in place."""
    distributed.all_reduce(tensor)
    return tensor
