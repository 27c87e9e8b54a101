"""Every exception of the package.

All derive from :class:`TwoStepError`. Errors about arguments are also :class:`ValueError`, so
that code which knows nothing of this package can catch them.
"""

from __future__ import annotations


class TwoStepError(Exception):
    """Base of all exceptions of this package."""


class InputError(TwoStepError, ValueError):
    """An argument has a value that makes no sense; the message names it."""


class ShapeError(InputError):
    """An array has the wrong shape or no entries."""


class DtypeError(InputError, TypeError):
    """An array or argument has a type that cannot be used."""


class MassError(InputError):
    """Masses are negative, vanish, or do not balance."""


class ConfigError(InputError):
    """A configuration has an unknown key or a value of the wrong kind."""


class FileFormatError(InputError):
    """A file is truncated, foreign, or of another version; the message names file and field."""


class RunDirectoryError(TwoStepError):
    """A run directory cannot be used: it holds another run, or cannot be written."""


class JobError(TwoStepError, RuntimeError):
    """Jobs of a reproduction were not done; the message names the first and its log."""


class DeviceError(TwoStepError, RuntimeError):
    """A device was asked for that is not there, or where this work cannot go on."""


class ConvergenceError(TwoStepError, RuntimeError):
    """A solver stopped before it reached the optimum.

    Attributes:
        gap: upper bound of the distance to the optimal cost.
    """

    def __init__(self, message: str, gap: float) -> None:
        super().__init__(message)
        self.gap = gap


class DivergenceError(ConvergenceError):
    """A training whose loss has left all bounds; other options or another seed may train."""

    def __init__(self, message: str) -> None:
        super().__init__(message, gap=float("inf"))


class StepSizeWarning(UserWarning):
    """A time step is so coarse that the result shows it."""


class WrappedWarning(UserWarning):
    """Points lie outside of the torus and are taken to their places on it."""
