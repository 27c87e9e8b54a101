"""What is trained and scored, one job each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from twostep_rs.reproduce.flow_maps.models import MODELS, VELOCITY
from twostep_rs.reproduce.job import DOCUMENT, Job
from twostep_rs.runs.files import write_json

if TYPE_CHECKING:
    from twostep_rs.config import Config
    from twostep_rs.reproduce.job import Place

# Points of a divergence for each particle of the other clouds.
_DENSITY = 100


@dataclass(frozen=True)
class Training(Job):
    """The training of a map.

    Attributes:
        model: by its name.
        base: of the checkerboard, for any method: budget, particles, seed and device.
    """

    model: str
    base: Config

    @property
    def name(self) -> str:  # type: ignore[override]
        """Its directory."""
        return f"checkerboard-maps/{self.base.preset}-s{self.base.seed}/{self.model}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The training of its teacher."""
        return () if self.teacher is None else (self.teacher,)

    @property
    def teacher(self) -> Training | None:
        """What it learns from."""
        teacher = MODELS[self.model].teacher
        return None if teacher is None else Training(teacher, self.base)

    def description(self) -> dict[str, Any]:
        """Everything but where it runs."""
        return {
            "config": asdict(MODELS[self.model].config(self.base)),
            "particles": self.base.simulation.particles,
            "seed": self.base.seed,
        }

    def run(self, place: Place) -> None:
        """Train, or go on."""
        from twostep_rs.reproduce.flow_maps import work

        write_json(place.directory / DOCUMENT, work.train(self, place))


@dataclass(frozen=True)
class Scores(Job):
    """What is measured of a map, or of the law itself where there is none.

    Attributes:
        model: by its name; ``None`` for independent draws of the law, which are the floor.
        base: as for :class:`Training`; its seed is also that of sources and references.
    """

    model: str | None
    base: Config

    @property
    def name(self) -> str:  # type: ignore[override]
        """Its directory."""
        return f"checkerboard-scores/{self.base.preset}-s{self.base.seed}/{self.model or 'floor'}"

    @property
    def needs(self) -> tuple[Job, ...]:
        """The map, and images by the velocity that they are compared with."""
        if self.model is None:
            return ()
        return tuple(filter(None, [self.training(self.model), self.velocity]))

    @property
    def velocity(self) -> Scores | None:
        """The scores of the velocity that a map is compared with."""
        return None if self.model in (None, VELOCITY) else Scores(VELOCITY, self.base)

    @property
    def density(self) -> int:
        """Points of the divergence."""
        return _DENSITY * self.base.evaluation.particles

    def training(self, model: str) -> Training:
        """The training of a model beside this one."""
        return Training(model, self.base)

    def description(self) -> dict[str, Any]:
        """Everything but where it runs."""
        jumps = [] if self.model is None else list(MODELS[self.model].jumps)
        evaluation = asdict(self.base.evaluation)
        return {"density": self.density, "jumps": jumps, "evaluation": evaluation}

    def run(self, place: Place) -> None:
        """Sample and measure."""
        from twostep_rs.reproduce.flow_maps import work

        measured = work.floor(self) if self.model is None else work.score(self, place)
        write_json(place.directory / DOCUMENT, measured)
