"""What a target is: jobs, and what they amount to."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twostep_rs.errors import ConfigError
from twostep_rs.reproduce.brief import BRIEF, COMPARED
from twostep_rs.runs import config_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure

    from twostep_rs.config import Config
    from twostep_rs.experiments.experiment import Preset
    from twostep_rs.reproduce.claims import Claim
    from twostep_rs.reproduce.job import Job
    from twostep_rs.reproduce.store import Store
    from twostep_rs.runs.page import Table


@dataclass(frozen=True)
class Request:
    """How much work, and where.

    Attributes:
        preset: as for experiments: ``quick`` for two CPU cores, with the changes of
            :mod:`twostep_rs.reproduce.brief`; ``full`` our defaults, ``paper`` the printed method.
        seeds: seeds of the runs.
        device: where networks are trained.
        overrides: changes of the configuration of every run, as ``key=value``.
    """

    preset: Preset = "quick"
    seeds: tuple[int, ...] = (0,)
    device: str = "cpu"
    overrides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ConfigError("seeds: expected at least one, got none")

    def configured(self, config: Config, seed: int, *, compared: bool = False) -> Config:
        """The configuration of a run with this seed.

        Args:
            config: of the preset.
            seed: of the run.
            compared: whether it is one of many that are compared.

        Raises:
            ConfigError: an override does not fit.
        """
        config = dataclasses.replace(config, seed=seed, device=self.device)
        briefs = (BRIEF, COMPARED)[: 1 + compared] if self.preset == "quick" else ()
        changes = [change for brief in briefs for change in brief.get(config.experiment, ())]
        return config_file.override(config, (*changes, *self.overrides))


@dataclass(frozen=True)
class Summary:
    """What the jobs of a target amount to.

    Attributes:
        numbers: what tables and figures are made of, as JSON can hold it.
        tables: in the paper's layout, with the printed numbers beside ours.
        figures: by the name of their files.
        claims: of the paper, with verdicts.
    """

    numbers: Mapping[str, Any]
    tables: Sequence[Table] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    claims: Sequence[Claim] = ()


@dataclass(frozen=True)
class Target:
    """A table or figure of a paper.

    Attributes:
        name: as on the command line.
        title: what it shows.
        source: where it is printed.
        jobs: what must be done for a request. The jobs of several seeds are those of each of them,
            so that seeds which are done can be summarised while others are not.
        summarise: what it amounts to, when all jobs of the request are done.
        most_seeds: more seeds than these are left out, where runs are large; all by default.
        seeded: whether jobs depend on the seed at all.
    """

    name: str
    title: str
    source: str
    jobs: Callable[[Request], Sequence[Job]]
    summarise: Callable[[Request, Store], Summary]
    most_seeds: int | None = None
    seeded: bool = True
