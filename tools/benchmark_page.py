"""Write docs/benchmarks.md from the records in results/: ``benchmark_page.py [--check]``.

A section is a title and a function in :data:`benchmark_sections.SECTIONS` that reads records and
returns Markdown; another one takes a function and a line. With ``--check`` nothing is written, and
the exit status says whether the page is what the records say.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmark_sections import SECTIONS

from twostep_rs.runs.files import write_atomically

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = ROOT / "results"

HEAD = """\
# Benchmarks

What was measured, with the command, the machine and the day of each. Everything here is made from
the records in [results](../results/README.md) by `python tools/benchmark_page.py`; a test holds the
page to them. Times of rivals were taken in the same run, in turns with ours, unless said.
"""


def page(results: Path) -> str:
    """The page that records amount to."""
    sections = [f"## {section.title}\n\n{section.text(results)}\n" for section in SECTIONS]
    return "\n".join([HEAD, *sections])


def main(check: bool) -> int:
    """Write the page, or say whether it is up to date."""
    text = page(RESULTS)
    if not check:
        write_atomically(PAGE, text.encode())
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.name}: expected what results/ says; run python tools/benchmark_page.py")
    return 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    sys.exit(main(parser.parse_args().check))
