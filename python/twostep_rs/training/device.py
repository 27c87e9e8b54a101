"""Devices by name."""

from __future__ import annotations

import torch

from twostep_rs.errors import DeviceError


def resolve_device(name: str) -> torch.device:
    """The device called ``name``, once it is seen to be there.

    Raises:
        DeviceError: no such device.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DeviceError(f"device: expected one that is there, got {name!r} ({reason})") from error
    return device
