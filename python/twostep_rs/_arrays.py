"""Arrays in and out: anything array-like in, float64 NumPy to the core, the caller's kind back.

Torch tensors are recognised without importing torch: who passes one has imported it already.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from twostep_rs.errors import DtypeError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# The one object that native arrays of this type share.
_FLOAT64 = np.dtype(np.float64)


def is_tensor(value: object) -> bool:
    """Whether ``value`` is a torch tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def as_float64(name: str, value: Any, ndim: int) -> NDArray[np.float64]:
    """``value`` as a C-contiguous float64 array with ``ndim`` axes.

    Args:
        name: argument, for the message of an error.
        value: array-like of real numbers: nested lists, NumPy, torch on any device.
        ndim: number of axes that the array must have.

    Raises:
        DtypeError: the entries are not real numbers.
        ShapeError: the number of axes is another one.
    """
    if (
        type(value) is np.ndarray
        and value.dtype is _FLOAT64
        and value.ndim == ndim
        and value.flags.c_contiguous
    ):
        return value
    if is_tensor(value):
        value = value.detach().cpu().resolve_conj().resolve_neg().numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"{name}: expected a rectangular array, got {error}") from error
    if array.dtype.kind not in "fiu":
        raise DtypeError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if array.ndim != ndim:
        axes = {1: "(n,)", 2: "(n, d)"}.get(ndim, f"{ndim} axes")
        raise ShapeError(f"{name}: expected shape {axes}, got {array.shape}")
    return np.ascontiguousarray(array, dtype=np.float64)


def as_points(name: str, value: Any) -> NDArray[np.float64]:
    """``value`` as an ``(n, d)`` float64 array with at least one point and one axis."""
    points = as_float64(name, value, 2)
    if points.size == 0:
        raise ShapeError(f"{name}: expected at least one point and one axis, got {points.shape}")
    return points


def like(*examples: Any) -> Callable[[NDArray[Any]], Any]:
    """A function that turns a NumPy result into what the first tensor of ``examples`` is.

    Without a tensor among the examples results stay NumPy arrays. Integer results keep their
    dtype; floating results take the tensor's, if that is floating too.
    """
    for example in examples:
        if is_tensor(example):
            return lambda array: _to_tensor(array, example)
    return lambda array: array


def _to_tensor(array: NDArray[Any], example: Any) -> Any:
    import torch

    tensor = torch.from_numpy(array)
    floating = tensor.is_floating_point() and example.is_floating_point()
    return tensor.to(device=example.device, dtype=example.dtype if floating else tensor.dtype)
