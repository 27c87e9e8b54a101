"""What a step computes with."""

from __future__ import annotations


def require_device(device: str) -> None:
    """Refuse a device that is not there, before any work.

    Raises:
        DeviceError: it is not there.
    """
    if device == "cpu":  # spares those without networks the import of torch
        return
    from twostep_rs.training.device import resolve_device

    resolve_device(device)
