"""Stage II: Deep Particle, a corrector trained on exact couplings."""

from __future__ import annotations

import copy
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from twostep_rs.errors import InputError
from twostep_rs.losses.deep_particle import (
    DeepParticleBatch,
    DeepParticleLoss,
    debiased_aim,
    deep_particle_loss,
)
from twostep_rs.models.corrector import Corrector
from twostep_rs.models.features import nearest_image
from twostep_rs.training import loop
from twostep_rs.training.batches import Batches
from twostep_rs.training.couplings import Couplings, Pair, partners
from twostep_rs.training.device import resolve_device
from twostep_rs.training.engine import Engine
from twostep_rs.training.entropic import EntropicCouplings
from twostep_rs.training.fingerprint import fingerprint, weights_hash
from twostep_rs.training.jitter import jittered
from twostep_rs.training.optimizer import initialised
from twostep_rs.training.seeds import derive, generator
from twostep_rs.training.visits import (
    Coupling,
    coupling_of,
    couplings_of_a_batch,
    next_coupling,
)
from twostep_rs.training.workers import one_thread

if TYPE_CHECKING:
    from typing import Unpack

    from twostep_rs.config import StageTwoConfig
    from twostep_rs.models.features import Scaling
    from twostep_rs.models.generator import Generator
    from twostep_rs.training.batches import Prior
    from twostep_rs.training.data import TrainingData
    from twostep_rs.training.loop import Options


def train(
    stage_1: Generator,
    data: TrainingData,
    config: StageTwoConfig,
    *,
    seed: int,
    prior: Prior | None = None,
    **options: Unpack[Options],
) -> Corrector:
    """Train the corrector of ``stage_1``, which stays as it is.

    A batch holds ``config.batch`` particles of every parameter: source particles carried by
    stage I, and target particles. An exact plan couples them, parameter by parameter, when the
    batch is new and again every ``config.refresh`` steps, from the last plan; :mod:`.visits` has
    the order of batches.

    Args:
        stage_1: the trained generator.
        data: clouds of every training parameter.
        config: network and schedule.
        seed: fixes weights and batches.
        prior: ``prior(n, seed)`` draws fresh source particles, (n, d); without it they are drawn
            from the clouds.
        options: where and how to train.

    Returns:
        The network with averaged weights, on the device of training.

    Raises:
        InputError: a batch is larger than the clouds, or the paths of stage I are random.
        DeviceError: the device is not there.
        FileFormatError: the checkpoint is broken or of another training.
        DivergenceError: the loss is not finite any more.
    """
    with one_thread():
        training = _Training(stage_1, data, config, seed, prior, **options)
        loop.run(training, config.steps, **options)
    return training.optimizer.average.eval()


def build(scaling: Scaling, config: StageTwoConfig) -> Corrector:
    """The network that ``config`` describes, with weights from torch's global generator."""
    return Corrector(
        scaling,
        width=config.width,
        depth=config.depth,
        head=config.head,
        alpha=config.alpha,
        waves=config.waves,
    )


class _Training(Engine[Corrector]):
    def __init__(
        self,
        stage_1: Generator,
        data: TrainingData,
        config: StageTwoConfig,
        seed: int,
        prior: Prior | None,
        **options: Unpack[Options],
    ) -> None:
        device, threads = resolve_device(options.get("device", "cpu")), options.get("threads")
        config.check_fits(data.particles)
        if stage_1.random_paths:
            # A batch would have other outputs of stage I each time that it is carried.
            raise InputError("stage_1: expected paths that their source fixes, got random ones")
        followed = weights_hash(stage_1), f"{stage_1.evaluations} evaluations"
        self.fingerprint = fingerprint(data, config, seed, *followed)
        self._config = config
        self._stage_1 = copy.deepcopy(stage_1).to(device)
        self._scaling = data.scaling()
        self._random = generator(seed, "stage 2", device=device)
        self._batches = Batches(
            data, config.batch, seed, prior if config.source == "prior" else None, device
        )
        self._couplings: Any = (
            Couplings(threads, data.period, together=max(1, config.ahead))
            if config.solver == "exact"
            else EntropicCouplings(config, data.period)
        )
        self._period = None if data.period is None else torch.tensor(data.period, device=device)
        self._carried: dict[int, _Carried] = {}
        self._pending: deque[_Pending] = deque()
        self._lag = 0
        parameters = torch.tensor(data.parameters, device=device)
        self._parameter = parameters.repeat_interleave(config.batch).unsqueeze(1)
        # The recorded step reads these two; new batches and couplings are copied into them.
        self._x = Positions.empty(len(self._parameter), data.dim, device)
        self._aim = torch.empty_like(self._x.x)
        optimizer = initialised(
            lambda: build(self._scaling, config),
            config,
            seed=derive(seed, "stage 2 weights"),
            device=device,
        )
        super().__init__(
            optimizer,
            self._rows,
            self._loss,
            self._random,
            threads=threads,
            compiled=options.get("compiled", False),
        )

    @property
    def resumable(self) -> bool:
        # Between rounds. Within one, plans start from the last: where several are optimal, a
        # solve from nothing may find another.
        coupling = coupling_of(self.step, self._config)
        return coupling.first_of_round and coupling.step == self.step

    def advance(self) -> None:
        coupling = coupling_of(self.step, self._config)
        if coupling.step == self.step:
            self._take(coupling)
        super().advance()

    def metrics(self) -> dict[str, float]:
        return {
            **super().metrics(),
            "seconds_couplings": self._couplings.seconds,
            "coupling_lag": float(self._lag),
            "coupling_residual": getattr(self._couplings, "residual", 0.0),
        }

    def _loss(self, net: Corrector, batch: DeepParticleBatch) -> DeepParticleLoss:
        return deep_particle_loss(net, batch, residual_weight=self._config.residual_weight)

    def _rows(self) -> DeepParticleBatch:
        seen = jittered(self._parameter, self._scaling, self._config.jitter, self._random)
        return DeepParticleBatch(self._x.x, self._x.at, self._aim, self._parameter, seen)

    def _take(self, coupling: Coupling) -> None:
        """Take batch and aims of a coupling, and begin to find those of the next."""
        if coupling.first_of_round:
            self._couplings.forget()
            self._carried.clear()
        if not self._pending:
            self._begin(coupling)
        pending = self._pending.popleft()
        self._lag = self.step - pending.begun
        found = self._couplings.finish(coupling.batch, pending.coupled)
        # Permutations may lag; what they are permutations of does not.
        pairs = self._pairs(coupling.batch) if self._lag else pending.pairs
        self._x.copy_(self._batch(coupling.batch).x)
        self._aim.copy_(self._aims(pairs, found))
        if couplings_of_a_batch(self._config) == 1:
            self._couplings.forget(coupling.batch)
            del self._carried[coupling.batch]
        self._begin_ahead(coupling)

    def _begin_ahead(self, coupling: Coupling) -> None:
        """Begin to find the ``ahead`` couplings after this one, where that is not begun yet."""
        for place in range(self._config.ahead):
            coupling = next_coupling(coupling, self._config)
            if coupling.first_of_round:
                # Nothing is carried over to the next round, so that a training can begin there.
                return
            if place == len(self._pending):
                self._begin(coupling)

    def _begin(self, coupling: Coupling) -> None:
        pairs = self._pairs(coupling.batch)
        coupled = self._couplings.begin(coupling.batch, pairs)
        self._pending.append(_Pending(pairs, coupled, self.step))

    def _pairs(self, number: int) -> list[Pair]:
        """What is coupled of a batch, where the corrector takes it now."""
        batch = self._batch(number)
        moved = self._moved(batch.x)
        pairs = [(moved, batch.target)]
        if batch.twin is not None:
            pairs.append((moved, self._moved(batch.twin)))
        return pairs

    def _aims(self, pairs: list[Pair], couplings: list[Tensor]) -> Tensor:
        (moved, _), *_ = pairs
        partner, *twin = (
            # On a torus partners are the images that are nearest.
            nearest_image(partners(y, coupling), moved, self._period)
            for (_, y), coupling in zip(pairs, couplings, strict=True)
        )
        aim = debiased_aim(moved, partner, *twin) if twin else partner
        return aim.flatten(0, 1)

    def _batch(self, number: int) -> _Carried:
        """A batch of this round, its particles carried through stage I."""
        if number not in self._carried:
            batch = self._batches[number]
            self._carried[number] = _Carried(
                self._through_stage_1(batch.source),
                self._through_stage_1(batch.twin) if self._config.debias else None,
                batch.target,
            )
        return self._carried[number]

    def _through_stage_1(self, source: Tensor) -> Positions:
        source = source.flatten(0, 1)
        x = self.evaluate(self._stage_1.transport, source, self._parameter)
        return Positions(x, source if self._config.inputs == "source" else x)

    def _moved(self, positions: Positions) -> Tensor:
        """Where the corrector takes them now, (k, n, d)."""
        moved = self.evaluate(self.optimizer.net, positions.x, positions.at, self._parameter)
        return moved.view(-1, self._config.batch, moved.shape[1])


class _Carried(NamedTuple):
    """A batch after stage I."""

    x: Positions
    twin: Positions | None
    target: Tensor


class _Pending(NamedTuple):
    """A coupling that is being solved, between what, and since which step."""

    pairs: list[Pair]
    coupled: Any
    begun: int


class Positions(NamedTuple):
    """Outputs of stage I and where their correction is evaluated, both (n, d)."""

    x: Tensor
    at: Tensor

    @classmethod
    def empty(cls, n: int, dim: int, device: torch.device) -> Positions:
        """Unset positions."""
        return cls(*(torch.empty(n, dim, device=device) for _ in cls._fields))

    def copy_(self, other: Positions) -> None:
        """Overwrite with ``other``, in place."""
        for mine, its in zip(self, other, strict=True):
            mine.copy_(its)
