"""Every Python block of the README runs, in a directory of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def blocks():
    """Heading and code of each block; empty lines before the code keep its line numbers."""
    text = README.read_text(encoding="utf-8")
    for match in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        heading = re.findall(r"^#+ (.*)$", text[: match.start()], re.MULTILINE)[-1]
        yield heading, "\n" * text[: match.start(1)].count("\n") + match[1]


def test_each_of_the_four_uses_has_a_block():
    assert [heading for heading, _ in blocks()] == [
        "Emulate a system",
        "Transport exactly, inside a training loop",
        "Judge a generator",
        "Simulate",
    ]


@pytest.mark.parametrize("code", [pytest.param(code, id=heading) for heading, code in blocks()])
def test_block_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, README, "exec"), {"__name__": "readme"})
