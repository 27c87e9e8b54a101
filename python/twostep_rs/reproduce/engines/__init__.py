"""What does jobs: processes of this machine, or an engine that knows more machines.

An engine starts a job and tells how it ended; which jobs can begin is decided by
:mod:`twostep_rs.reproduce.schedule` alone. All machines of an engine read and write one store, so
that it has to lie on a file system that they share.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Literal, Protocol

from twostep_rs.errors import ConfigError
from twostep_rs.reproduce.engines.processes import Processes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.reproduce.job import Job
    from twostep_rs.reproduce.store import Store

__all__ = ["Engine", "Name", "Processes", "choose"]

Name = Literal["processes", "ray", "slurm"]

_PACKAGES = {"ray": "ray", "slurm": "submitit"}


class Engine(Protocol):
    """Does several jobs at a time."""

    @property
    def places(self) -> int:
        """Jobs at a time."""
        ...

    def start(self, job: Job, store: Store) -> None:
        """Begin a job; what it needs is done."""
        ...

    def ended(self) -> Sequence[tuple[str, str | None]]:
        """Wait until a job ends: names of all that did since, and why one is not done."""
        ...

    def close(self) -> None:
        """Stop the jobs that run."""
        ...


def choose(
    name: Name, *, jobs: int, threads: int, gpu: bool = False, options: Sequence[str] = ()
) -> Engine:
    """The engine of that name.

    Args:
        name: ``processes`` of this machine; ``ray``, a running cluster or this machine; ``slurm``.
        jobs: at a time.
        threads: of each job.
        gpu: whether jobs use a GPU.
        options: of the engine, as ``key=value``: the address of a Ray cluster, or what a job
            asks Slurm for.

    Raises:
        ConfigError: an option does not fit.
        ModuleNotFoundError: the package of the engine is not installed.
    """
    found = _options(options)
    package = _PACKAGES.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        raise ModuleNotFoundError(
            f"the engine {name} needs {package}: pip install 'twostep_rs[{name}]'", name=package
        )
    if name == "ray":
        from twostep_rs.reproduce.engines.cluster import Ray

        return Ray(jobs, threads, gpu=gpu, **_only(found, ("address", "gpus")))
    if name == "slurm":
        from twostep_rs.reproduce.engines.batch import Slurm

        return Slurm(jobs, threads, gpu=gpu, **found)
    return Processes(jobs, threads, **_only(found, ()))


def _options(assignments: Sequence[str]) -> dict[str, str]:
    found = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise ConfigError(f"engine options: expected key=value, got {assignment!r}")
        found[key] = value
    return found


def _only(found: dict[str, str], known: Sequence[str]) -> dict[str, str]:
    for key in found:
        if key not in known:
            raise ConfigError(f"engine options: expected one of {list(known)}, got {key!r}")
    return found
