"""Devices by name."""

from __future__ import annotations

import re

import torch

from twostep_rs.errors import DeviceError


def resolve_device(name: str) -> torch.device:
    """The device called ``name``, once it is seen to be there.

    Raises:
        DeviceError: no such device.
    """
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise DeviceError(f"device: expected cpu, cuda, or cuda with a number, got {name!r}")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"device: expected one that is there, got {name!r} ({torch.cuda.device_count()} GPUs)"
        )
    return device
