"""Training of stage I on pairs of source and target particles, whatever the loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from twostep_rs.models.generator import Generator
from twostep_rs.training import loop
from twostep_rs.training.device import resolve_device
from twostep_rs.training.engine import Engine
from twostep_rs.training.fingerprint import fingerprint
from twostep_rs.training.optimizer import initialised
from twostep_rs.training.pairs import Pairs
from twostep_rs.training.seeds import derive, generator
from twostep_rs.training.workers import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Unpack

    import torch

    from twostep_rs.config import PairedConfig
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.engine import Batch
    from twostep_rs.training.loop import Options

Net = TypeVar("Net", bound=Generator)


@dataclass(frozen=True)
class Recipe(Generic[Net]):
    """What is a method's own.

    Attributes:
        build: the network, with weights from torch's global generator.
        draw: the batch of a step; random numbers are of the generator alone.
        loss: of the network and a batch, as for :class:`~twostep_rs.training.engine.Objective`.
        name: keeps trainings of different methods apart; of one method also its phases.
        half: whether networks compute loss and gradient in half precision.
    """

    build: Callable[[], Net]
    draw: Callable[[Pairs, torch.Generator], Batch]
    loss: Callable[[Net, Any], Any]
    name: tuple[str, ...] = ()
    half: bool = False


def train(
    recipe: Recipe[Net],
    data: TrainingData,
    config: PairedConfig,
    *,
    seed: int,
    **options: Unpack[Options],
) -> Net:
    """Train a generator; the parameters are those of every method.

    Returns:
        The network with averaged weights, on the device of training.

    Raises:
        InputError: the data do not have the pairs that are asked for.
        DeviceError: the device is not there.
        FileFormatError: the checkpoint is broken or of another training.
        DivergenceError: the loss is not finite any more.
    """
    with one_thread():
        training = PairedTraining(recipe, data, config, seed, **options)
        loop.run(training, config.steps, **options)
    return training.optimizer.average.eval()


class PairedTraining(Engine[Net]):
    """A training on pairs, to be advanced by steps.

    Args:
        recipe: of the network, its batches and its loss.
        data: clouds of every training parameter.
        config: network, pairs and schedule.
        seed: fixes everything that is random.
        pairs: those of ``data``, where several trainings share them.
        options: where and how to train.
    """

    resumable = True

    def __init__(
        self,
        recipe: Recipe[Net],
        data: TrainingData,
        config: PairedConfig,
        seed: int,
        *,
        pairs: Pairs | None = None,
        **options: Unpack[Options],
    ) -> None:
        device, threads = resolve_device(options.get("device", "cpu")), options.get("threads")
        self.fingerprint = fingerprint(data, config, seed, *recipe.name)
        random = generator(seed, "stage 1", *recipe.name, device=device)
        if pairs is None:
            pairs = Pairs(data, config.coupling, device, threads)
        self._pairs = pairs
        optimizer = initialised(
            recipe.build,
            config,
            seed=derive(seed, "stage 1 weights", *recipe.name),
            device=device,
        )
        super().__init__(
            optimizer,
            lambda: recipe.draw(pairs, random),
            recipe.loss,
            random,
            threads=threads,
            compiled=options.get("compiled", False),
            half=recipe.half,
        )

    def advance(self) -> None:
        """Take one step."""
        # Before a step is recorded, which may hold nothing but work of the device.
        self._pairs.couple()
        super().advance()
