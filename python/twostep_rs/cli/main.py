"""Parse the command line, run the command, and turn what goes wrong into one line."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, TextIO

from twostep_rs.errors import TwoStepError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twostep_rs.cli.command import Command

_EXTRAS = "twostep_rs[all]"
DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_DESCRIPTION = """One-step learned transport of particle systems, and exact optimal transport.

With --debug an error shows its traceback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``twostep`` with ``arguments``, those of the process by default.

    Returns:
        The exit status: 0, 1 after an error, 2 after a wrong command line, 130 after Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _run(words, debug=debug)


def _run(words: Sequence[str], *, debug: bool) -> int:
    try:
        command = _parse(words)
        if isinstance(command, int):
            return command
        command.run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _interrupted(words)
    except BrokenPipeError:
        # Who read the output has seen enough; nothing may be flushed to it any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except ModuleNotFoundError as error:
        if debug or (error.name or "").startswith("twostep_rs"):
            raise
        _complain(f"{error.name}: expected to be installed, got none; pip install '{_EXTRAS}'")
        return FAILED
    except (TwoStepError, OSError) as error:
        if debug:
            traceback.print_exc()
        else:
            _complain(" ".join(str(error).split()))
        return FAILED
    return DONE


def _parse(words: Sequence[str]) -> Command | int:
    """The command, or the exit status where the parser has said all there is to say."""
    import tyro

    from twostep_rs.cli.commands import COMMANDS

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            command: Command = tyro.cli(
                COMMANDS, prog="twostep", description=_DESCRIPTION, args=words
            )
            return command
    except SystemExit as stop:
        if stop.code in (None, DONE):
            return DONE
        _complain(_one_line(said.getvalue()))
        return USAGE


def _one_line(box: str) -> str:
    """The first message in the box that the parser draws, without the frame."""
    message: list[str] = []
    for line in box.splitlines():
        content = line.strip("│ ")
        if line.startswith("╭"):
            continue
        if message and content.strip("─╰╯") == "":
            break
        message.append(content)
    return " ".join(message)


def _interrupted(words: Sequence[str]) -> int:
    print(file=sys.stderr)
    if words and words[0] in ("run", "simulate", "train", "evaluate", "reproduce"):
        line = shlex.join(["twostep", *words])
        print(f"twostep: stopped; what is done is kept; go on with: {line}", file=sys.stderr)
    else:
        print("twostep: stopped", file=sys.stderr)
    return INTERRUPTED


def _complain(message: str) -> None:
    print(f"twostep: error: {message}", file=sys.stderr)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del category, filename, lineno, line
    print(f"twostep: warning: {message}", file=sys.stderr if file is None else file)
