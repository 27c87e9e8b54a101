"""Devices by name."""

from __future__ import annotations

import re

import torch

from twostep_rs.errors import DeviceError
from twostep_rs.training import distributed


def resolve_device(name: str) -> torch.device:
    """The device called ``name``, once it is seen to be there.

    In a process group ``cuda`` is the GPU whose number is that of the rank on its host.

    Raises:
        DeviceError: no such device.
    """
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise DeviceError(f"device: expected cpu, cuda, or cuda with a number, got {name!r}")
    if name == "cuda" and distributed.ranks().several:
        name = f"cuda:{distributed.place()}"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"device: expected one that is there, got {name!r} ({torch.cuda.device_count()} GPUs)"
        )
    return device
