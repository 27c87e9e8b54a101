"""The directory of a run: its files, and the rule that nothing in it is ever overwritten."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twostep_rs.errors import FileFormatError, RunDirectoryError
from twostep_rs.runs import config_file
from twostep_rs.runs.environment import environment
from twostep_rs.runs.files import unwritable, write_atomically
from twostep_rs.runs.status import STEPS, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twostep_rs.config import Config
    from twostep_rs.runs.status import Step


@dataclass(frozen=True)
class RunDirectory:
    """A run: where it lies, and what determines it.

    Attributes:
        path: the directory.
        config: the configuration, as in its ``config.toml``.
    """

    path: Path
    config: Config

    @classmethod
    def create(cls, path: Path, config: Config) -> RunDirectory:
        """Make the directory, or take the one that an earlier session of the same run left.

        Raises:
            RunDirectoryError: the directory holds another run or other files, or it cannot be
                written.
            ConfigError: the ``config.toml`` in it cannot be read.
        """
        if path.exists() and not path.is_dir():
            raise RunDirectoryError(f"{path}: expected a directory, got a file")
        try:
            path.mkdir(parents=True, exist_ok=True)
            entries = [entry.name for entry in path.iterdir()]
        except OSError as error:
            raise RunDirectoryError(unwritable(path, error)) from error
        if "config.toml" in entries:
            run = cls.open(path)
            if changed := config_file.differences(run.config, config):
                raise RunDirectoryError(
                    f"{path}: expected a new directory or this very run, got another run: "
                    f"{'; '.join(changed)}"
                )
            return run
        if any(not entry.startswith(".config.toml") for entry in entries):
            raise RunDirectoryError(
                f"{path}: expected a new directory or this very run, got one with other files"
            )
        write_atomically(path / "config.toml", config_file.dumps(config).encode())
        return cls(path, config)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open a run that exists.

        Raises:
            FileFormatError: there is no run.
            ConfigError: its ``config.toml`` cannot be read.
        """
        file = path / "config.toml"
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise FileFormatError(f"{file}: expected the file of a run, got {reason}") from error
        return cls(path, config_file.loads(text, str(file)))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the directory; a killed process keeps nobody out.

        Raises:
            RunDirectoryError: another process is working in it.
        """
        if sys.platform == "win32":
            yield
            return
        import fcntl

        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RunDirectoryError(
                    f"{self.path}: expected a run that is at rest, got one that another process "
                    "is working on"
                ) from error
            except OSError:  # a file system without locks
                pass
            yield
        finally:
            os.close(descriptor)

    def status(self) -> Status:
        """What is done.

        Raises:
            FileFormatError: ``status.json`` is damaged.
            RunDirectoryError: ``config.toml`` was changed since.
        """
        status = Status.read(self.path / "status.json")
        now = self._trained_with()
        changed = [key for key, value in status.trained_with.items() if now.get(key) != value]
        if changed:
            key = changed[0]
            raise RunDirectoryError(
                f"{self.path / 'config.toml'}: {key}: expected {status.trained_with[key]!r}, with "
                f"which the run began, got {now.get(key)!r}"
            )
        return status

    def finish(self, step: Step, seconds: float, **parts: float) -> None:
        """Note that a step is done, with its seconds and those of parts of it.

        Steps after it that were done are to be done again: they read what it has written.

        Raises:
            RunDirectoryError: there is no space or no permission.
        """
        status = self.status()
        for later in STEPS[STEPS.index(step) + 1 :]:
            status.done.pop(later, None)
        status.done |= {step: seconds, **parts}
        status.trained_with = self._trained_with()
        status.environment = environment()
        status.write(self.path / "status.json")

    def _trained_with(self) -> dict[str, Any]:
        """What must not change between steps, as it comes back from JSON.

        A run may move to another machine, and be evaluated in other ways.
        """
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in config_file.flat(self.config)
            if key not in {"device", "threads"}
            and not key.startswith(("evaluation.", "convergence."))
        }

    def cloud(self, parameter: float) -> Path:
        """File of a training cloud."""
        return self.path / "clouds" / f"{parameter!r}.npz"

    @property
    def metrics(self) -> Path:
        """One line per logged step of training."""
        return self.path / "metrics.jsonl"

    @property
    def weights(self) -> Path:
        """The trained model."""
        return self.path / "weights.safetensors"

    @property
    def evaluation(self) -> Path:
        """One row per stage, parameter, metric and box."""
        return self.path / "evaluation.json"

    @property
    def distances(self) -> Path:
        """Distances of an evaluation that is not finished."""
        return self.path / "distances.jsonl"

    @property
    def evaluation_clouds(self) -> Path:
        """Clouds of the evaluation, for figures."""
        return self.path / "clouds" / "evaluation.npz"

    @property
    def convergence(self) -> Path:
        """Growth rates from every start, where the experiment has any."""
        return self.path / "convergence.json"

    @property
    def figures(self) -> Path:
        """Directory of the figures."""
        return self.path / "figures"

    @property
    def report(self) -> Path:
        """The page that a reader looks at."""
        return self.path / "report.html"

    def checkpoint(self, stage: int) -> Path:
        """Checkpoint of a stage, in a directory that is there.

        Raises:
            RunDirectoryError: there is no space or no permission.
        """
        path = self.path / "checkpoints" / f"stage_{stage}.pt"
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise RunDirectoryError(unwritable(path.parent, error)) from error
        return path
