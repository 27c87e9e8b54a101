"""The page of benchmarks is what the records say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import benchmark_page
import benchmark_sections
from benchmark_sections import Section


def test_the_page_is_up_to_date():
    assert benchmark_page.main(check=True) == 0, "run python tools/benchmark_page.py"


def test_numbers_stand_beside_their_command_machine_and_day():
    text = benchmark_sections.four_dimensions(benchmark_page.RESULTS)
    record = json.loads((benchmark_page.RESULTS / "benches/four_dimensions.json").read_text())
    row = record["rows"][0]
    assert f"| {row['w2_squared']:.5f} | {row['seconds']:.2f} | {row['peak_mb']:.0f} |" in text
    assert text.rstrip().endswith(f"{record['date']}.")
    assert "`python benches/python/four_dimensions.py`" in text
    assert f"{record['hardware']['cores']} cores" in text


def test_every_verdict_of_the_results_is_on_the_page():
    text = benchmark_sections.verdicts(benchmark_page.RESULTS)
    files = sorted((benchmark_page.RESULTS / "reproduce").glob("*/result.json"))
    claims = [claim for file in files for claim in json.loads(file.read_text())["claims"]]
    assert len(claims) > 10
    for claim in claims:
        assert f"| {claim['statement']} | {claim['verdict']} | " in text
    assert f" {len(claims)} claims" in text


def test_another_section_is_a_function_and_a_line(monkeypatch, tmp_path):
    page = tmp_path / "benchmarks.md"
    monkeypatch.setattr(benchmark_page, "PAGE", page)
    assert benchmark_page.main(check=True) == 1
    assert benchmark_page.main(check=False) == 0
    assert benchmark_page.main(check=True) == 0
    more = Section("More", lambda results: f"From {results.name}.")
    monkeypatch.setattr(benchmark_page, "SECTIONS", [*benchmark_page.SECTIONS, more])
    assert benchmark_page.main(check=True) == 1
    assert benchmark_page.page(benchmark_page.RESULTS).endswith("## More\n\nFrom results.\n")


def test_links_of_the_page_lead_somewhere():
    for link in re.findall(r"\]\(([^)]+)\)", benchmark_page.PAGE.read_text()):
        assert (benchmark_page.PAGE.parent / Path(link)).exists(), link
