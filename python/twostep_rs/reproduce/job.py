"""Jobs: independent pieces of work with a directory each, which a kill costs at most once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twostep_rs import experiments
from twostep_rs.errors import DivergenceError
from twostep_rs.runs import config_file, pipeline
from twostep_rs.runs.directory import RunDirectory
from twostep_rs.runs.files import read_json, write_json
from twostep_rs.runs.status import STEPS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from twostep_rs.config import Config
    from twostep_rs.reproduce.store import Store
    from twostep_rs.runs.progress import Progress
    from twostep_rs.runs.status import Step

DOCUMENT = "document.json"

# What a run leaves whose training has diverged, beside its other files.
DIVERGED = "diverged.json"


@dataclass(frozen=True)
class Place:
    """Where a job works.

    Attributes:
        directory: its own.
        store: has those of the jobs it needs.
        progress: where to report.
        needed: directories of the jobs it needs, by their names.
    """

    directory: Path
    store: Store
    progress: Progress
    needed: Mapping[str, Path] = field(default_factory=dict)


class Job(ABC):
    """A piece of work.

    Jobs are sent to other processes and compared by what they describe; two of one name are one.

    Attributes:
        name: its directory, relative: parts of letters, digits and ``-._``, joined by ``/``.
    """

    name: str

    @property
    def needs(self) -> tuple[Job, ...]:
        """Jobs that are to be done before."""
        return ()

    @abstractmethod
    def description(self) -> dict[str, Any]:
        """Everything that its result depends on, as JSON holds it."""

    @abstractmethod
    def run(self, place: Place) -> None:
        """Do it, or what an earlier session has left of it."""


@dataclass(frozen=True)
class RunJob(Job):
    """A run of an experiment, as ``twostep run`` makes it.

    Attributes:
        name: of the job.
        config: everything that determines the run.
        only: the steps to do.
        clouds_of: a run that has the same clouds; they are taken over.
        stage_1_of: a run that has trained the same stage I; it is taken over.
        options_of: a search, whose best options change the configuration.
        may_diverge: whether a training that diverges is a result: the job is done, with
            :data:`DIVERGED` in its directory, which says in what stage and why; so are those that
            would have taken over its stage I.
    """

    name: str
    config: Config
    only: tuple[Step, ...] = STEPS
    clouds_of: RunJob | None = None
    stage_1_of: RunJob | None = None
    options_of: Computation | None = None
    may_diverge: bool = False

    @property
    def needs(self) -> tuple[Job, ...]:
        """What it takes over."""
        every = (self.clouds_of, self.stage_1_of, self.options_of)
        return tuple(job for job in every if job is not None)

    def description(self) -> dict[str, Any]:
        """The configuration, but for where it runs."""
        config = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in config_file.flat(self.config)
            if key not in ("device", "threads")
        }
        searched = {} if self.options_of is None else {"options_of": self.options_of.name}
        return {"config": config, "only": list(self.only), **searched}

    def run(self, place: Place) -> None:
        """Do the steps that are not done yet."""
        store, config = place.store, self.config
        if self.stage_1_of is not None and (lost := _lost_stage_1(store.path(self.stage_1_of))):
            write_json(place.directory / DIVERGED, lost)
            return
        if self.options_of is not None:
            config = config_file.override(config, store.document(self.options_of)["options"])
        try:
            self._run(config, place)
        except DivergenceError as error:
            if not self.may_diverge:
                raise
            done = RunDirectory.open(place.directory).status().done
            stage = 2 if "stage_1" in done else 1
            write_json(place.directory / DIVERGED, {"stage": stage, "reason": str(error)})

    def _run(self, config: Config, place: Place) -> None:
        store = place.store
        pipeline.run(
            experiments.get(config.experiment),
            config,
            place.directory,
            progress=place.progress,
            only=self.only,
            clouds_of=None if self.clouds_of is None else store.path(self.clouds_of),
            stage_1_of=None if self.stage_1_of is None else store.path(self.stage_1_of),
        )


def _lost_stage_1(run: Path) -> dict[str, Any] | None:
    """Why a run has no stage I to take over, where its training has diverged."""
    if not (run / DIVERGED).exists():
        return None
    found: dict[str, Any] = read_json(run / DIVERGED)
    return found if found["stage"] == 1 else None


@dataclass(frozen=True)
class Computation(Job):
    """A function whose result is one JSON document.

    Attributes:
        name: of the job.
        function: ``function(place, **arguments)``, of a module; may leave files in its directory.
        arguments: as JSON holds them.
        needs: jobs whose directories the function reads.
        device: where it works, one more argument; for functions that work on several.
    """

    name: str
    function: Callable[..., Mapping[str, Any]]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[Job, ...] = ()
    device: str | None = None

    def description(self) -> dict[str, Any]:
        """The function and its arguments, but for where it works."""
        function = f"{self.function.__module__}.{self.function.__qualname__}"
        return {"function": function, "arguments": dict(self.arguments)}

    def run(self, place: Place) -> None:
        """Call the function and write what it returns."""
        where = {} if self.device is None else {"device": self.device}
        write_json(place.directory / DOCUMENT, self.function(place, **self.arguments, **where))
