"""A trained map as a file that other programs load."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from twostep_rs.errors import InputError, RunDirectoryError
from twostep_rs.models.features import in_chart, wrapped

if TYPE_CHECKING:
    import os

    from twostep_rs.models.corrector import Corrector
    from twostep_rs.models.generator import Generator


class Exported(nn.Module):
    """Both stages, or the first, as one module.

    Args:
        generator: stage I.
        corrector: stage II, or None for stage I alone.
        inputs: where the correction is evaluated.
    """

    def __init__(
        self,
        generator: Generator,
        corrector: Corrector | None,
        inputs: Literal["position", "source"],
    ) -> None:
        super().__init__()
        self.generator = generator
        self.corrector = corrector
        self.at_source = inputs == "source"

    def forward(self, source: Tensor, parameter: Tensor) -> Tensor:
        """Particles, (n, d), of source particles (n, d) at parameters (n, 1)."""
        scaling = self.generator.scaling
        source = in_chart(source, scaling)
        x = self.generator.transport(source, parameter)
        if self.corrector is not None:
            x = self.corrector(x, source if self.at_source else x, parameter)
        return wrapped(x, None if scaling.period is None else x.new_tensor(scaling.period))


def write(
    path: str | os.PathLike[str],
    generator: Generator,
    corrector: Corrector | None,
    inputs: Literal["position", "source"],
    *,
    stage: Literal[1, 2],
) -> None:
    """Write the map of ``stage`` to ``path``, by the kind that its name ends in.

    Raises:
        InputError: another stage or kind of file.
        RunDirectoryError: the file cannot be written.
    """
    file = Path(path)
    if stage not in (1, 2):
        raise InputError(f"stage: expected 1 or 2, got {stage!r}")
    if file.suffix not in (".pt2", ".onnx"):
        raise InputError(f"path: expected a name that ends in .pt2 or .onnx, got {file.name!r}")
    device = generator.device
    module = Exported(generator, corrector if stage == 2 else None, inputs).eval()
    low, _ = generator.scaling.parameters
    rows = torch.zeros(3, generator.scaling.dim, device=device)
    example = rows, torch.full((3, 1), low, device=device)
    n = torch.export.Dim("n")
    dynamic = {"source": {0: n}, "parameter": {0: n}}
    try:
        if file.suffix == ".pt2":
            program = torch.export.export(module, example, dynamic_shapes=dynamic)
            with file.open("wb") as opened:
                torch.export.save(program, opened)
        else:
            _write_onnx(file, module, example, dynamic)
    except OSError as error:
        raise RunDirectoryError(f"{file}: cannot be written ({error})") from error


def _write_onnx(
    file: Path,
    module: Exported,
    example: tuple[Tensor, Tensor],
    dynamic: dict[str, dict[int, torch.export.Dim]],
) -> None:
    with warnings.catch_warnings():
        # The exporter deprecates what it calls itself.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, example, dynamic_shapes=dynamic, dynamo=True, verbose=False
        )
        assert program is not None
        program.save(file)
