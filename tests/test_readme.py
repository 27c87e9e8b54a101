"""Every Python block of the README and of the pages runs, in a directory of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))


def blocks(page=README):
    """Heading and code of each block; empty lines before the code keep its line numbers."""
    text = page.read_text(encoding="utf-8")
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


@pytest.mark.parametrize(
    ("page", "code"),
    [
        pytest.param(page, code, id=f"{page.stem}: {heading}")
        for page in (README, *PAGES)
        for heading, code in blocks(page)
    ],
)
def test_block_runs(page, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, page, "exec"), {"__name__": "readme"})
