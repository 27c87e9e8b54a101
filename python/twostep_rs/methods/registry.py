"""All methods of stage I by name; a method's code is imported when it is first used."""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from twostep_rs.errors import ConfigError

if TYPE_CHECKING:
    from typing import Unpack

    from twostep_rs.config import MethodConfig
    from twostep_rs.models.features import Scaling
    from twostep_rs.models.generator import Generator
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Options


class Implementation(Protocol):
    """The module of a method."""

    def train(
        self,
        data: TrainingData,
        config: Any,
        *,
        seed: int,
        prior: Prior | None = None,
        **options: Unpack[Options],
    ) -> Generator:
        """Train on clouds.

        Args:
            data: clouds of every training parameter.
            config: an instance of the method's dataclass.
            seed: fixes weights, batches and everything else that is random.
            prior: ``prior(n, seed)`` draws fresh source particles, (n, d), where it is known.
            options: where and how to train.

        Returns:
            The generator with averaged weights, on the device of training.
        """
        ...

    def build(self, scaling: Scaling, config: Any) -> Generator:
        """The generator that ``config`` describes, with weights from torch's global generator."""
        ...


@dataclass(frozen=True)
class Method:
    """A method of stage I.

    Attributes:
        name: as on the command line.
        title: as in tables.
        source: where its equations are from.
        module: where its code is, an :class:`Implementation`.
        settings: its dataclass, as ``module:class``.
        evaluations: evaluations of the network that a sample takes by default.
    """

    name: str
    title: str
    source: str
    module: str
    settings: str
    evaluations: int = 1

    @property
    def config(self) -> type[MethodConfig]:
        """The dataclass of its configuration."""
        module, _, name = self.settings.partition(":")
        return cast("type[MethodConfig]", getattr(importlib.import_module(module), name))

    @property
    def implementation(self) -> Implementation:
        """Its code."""
        return cast("Implementation", importlib.import_module(self.module))


def _in_here(name: str, title: str, source: str, settings: str, evaluations: int = 1) -> Method:
    """A method whose file in this package is called after it."""
    module = f"twostep_rs.methods.{name.replace('-', '_')}"
    return Method(name, title, source, module, f"{module}:{settings}", evaluations)


METHODS = {
    method.name: method
    for method in (
        Method(
            name="meanflow",
            title="MeanFlow",
            source="Geng et al. 2025",
            module="twostep_rs.methods.meanflow",
            settings="twostep_rs.config:StageOneConfig",
        ),
        _in_here("imm", "IMM", "Zhou et al. 2025", "IMMConfig"),
        _in_here("shortcut", "Shortcut", "Frans et al. 2025", "ShortcutConfig"),
        _in_here("rectified-flow", "Rectified flow", "Liu et al. 2023", "RectifiedFlowConfig"),
        _in_here("deep-particle", "Deep Particle", "Wang et al. 2022", "DeepParticleConfig"),
        _in_here("flow-matching", "Flow matching", "Lipman et al. 2023", "FlowMatchingConfig", 100),
        _in_here("sf2m", "SF2M", "Tong et al. 2024", "SF2MConfig", 100),
        _in_here("lmd", "Lagrangian map distillation", "Boffi et al. 2024", "LMDConfig"),
        _in_here("eulerian", "Eulerian map distillation", "Boffi et al. 2024", "EulerianConfig"),
        _in_here("fmm", "Flow map matching", "Boffi et al. 2024", "FMMConfig"),
        _in_here("pfmm", "Progressive flow map matching", "Boffi et al. 2024", "PFMMConfig"),
        _in_here("lsd", "Lagrangian self-distillation", "Boffi et al. 2025", "LSDConfig"),
        _in_here("psd", "Progressive self-distillation", "Boffi et al. 2025", "PSDConfig"),
        _in_here("esd", "Eulerian self-distillation", "Boffi et al. 2025", "ESDConfig"),
        _in_here("w-flow", "W-Flow", "Candès et al. 2026", "WFlowConfig"),
        _in_here("drifting", "Drifting", "Deng et al. 2026", "DriftingConfig"),
    )
}
"""By name."""

# The method that the package is named after is MeanFlow with stage II.
_ALIASES = {"two-step": "meanflow"}


def known(name: object) -> str:
    """``name`` itself, where it is that of a method.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(name, str) and name in METHODS:
        return name
    near = difflib.get_close_matches(str(name), METHODS, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise ConfigError(f"method: expected one of {', '.join(METHODS)}, got {name!r}{hint}")


def get(name: str) -> Method:
    """The method called ``name``; ``two-step`` is MeanFlow.

    Raises:
        ConfigError: there is none.
    """
    return METHODS[known(_ALIASES.get(name, name))]
