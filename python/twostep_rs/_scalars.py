"""Checks of scalar arguments."""

from __future__ import annotations

import math
import numbers
import operator
from typing import TYPE_CHECKING, SupportsIndex, TypeVar

from twostep_rs.errors import DtypeError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def as_integer(name: str, value: SupportsIndex, *, low: int, high: int | None = None) -> int:
    """Take ``value`` as an integer of at least ``low`` and at most ``high``.

    Raises:
        DtypeError: it is not an integer.
        InputError: it is outside the range.
    """
    if isinstance(value, bool):
        raise DtypeError(f"{name}: expected an integer, got {value!r}")
    try:
        integer = operator.index(value)
    except TypeError as error:
        raise DtypeError(f"{name}: expected an integer, got {value!r}") from error
    if integer < low or (high is not None and integer > high):
        expected = f"at least {low}" if high is None else f"an integer from {low} to {high}"
        raise InputError(f"{name}: expected {expected}, got {integer}")
    return integer


def as_real(name: str, value: object, *, low: float = -math.inf, strict: bool = False) -> float:
    """Take ``value`` as a finite real number of at least (``strict``: above) ``low``.

    Zero-dimensional arrays and tensors count as numbers.

    Raises:
        DtypeError: it is not a real number.
        InputError: it is not finite or not in the range.
    """
    scalar = value.item() if getattr(value, "shape", None) == () else value  # type: ignore[attr-defined]
    if isinstance(scalar, bool) or not isinstance(scalar, numbers.Real):
        raise DtypeError(f"{name}: expected a real number, got {value!r}")
    number = float(scalar)
    if not math.isfinite(number) or number < low or (strict and number == low):
        if math.isinf(low):
            expected = "a finite number"
        else:
            expected = f"a finite number {'above' if strict else 'of at least'} {low:g}"
        raise InputError(f"{name}: expected {expected}, got {number}")
    return number


def as_choice(name: str, value: T, options: Sequence[object]) -> T:
    """Take ``value``, which must be one of ``options``.

    Raises:
        InputError: it is none of them.
    """
    if value not in options:
        raise InputError(f"{name}: expected one of {list(options)}, got {value!r}")
    return value


def as_threads(threads: SupportsIndex | None) -> int | None:
    """Take ``threads`` as a number of threads; None is the package's default.

    Raises:
        DtypeError: it is not an integer.
        InputError: it is below 1.
    """
    return None if threads is None else as_integer("threads", threads, low=1)
