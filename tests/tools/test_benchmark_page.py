"""The page of benchmarks is what the records say."""

from __future__ import annotations

import json
import re
from pathlib import Path

import benchmark_methods
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
        statement = claim["statement"].replace("|", "\\|")  # a cell may hold no bare bar
        assert f"| {statement} | {claim['verdict']} | " in text
    assert f" {len(claims)} claims" in text


def write_comparison(results, name, preset, scores):
    document = {
        "target": f"methods-{name}",
        "title": f"all methods on {name}",
        "command": f"twostep reproduce methods-{name} --preset {preset} --seeds 2",
        "request": {"preset": preset, "seeds": [0, 1]},
        "seeds": [0, 1],
        "machines": [{"processor": "P", "cores": 2, "gpu": None}],
        "tables": [],
        "numbers": {
            "comparisons": {"titles": {key: key.upper() for key in scores}, "scores": scores}
        },
    }
    directory = results / "reproduce" / f"methods-{name}"
    directory.mkdir(parents=True)
    (directory / "result.json").write_text(json.dumps(document))


def test_methods_of_several_systems_are_ranked_over_all_of_them(tmp_path):
    laminar = {"a": [-5.0, -5.1], "b": [-4.0, -4.2], "c": [-1.0, None], "alone": [0.0, 0.0]}
    write_comparison(tmp_path, "laminar", "full", laminar)
    assert "Ranks over systems" not in benchmark_methods.section(tmp_path)
    write_comparison(tmp_path, "kpp2d", "full", {"a": [-3.0, -2.0], "b": [-2.9, -2.5], "c": [1, 2]})
    write_comparison(tmp_path, "4d", "quick", {"a": [0.0, 0.0], "b": [1.0, 1.0], "c": [1.0, 1.0]})
    text = benchmark_methods.section(tmp_path)
    assert "### Ranks over systems, preset full" in text
    assert "preset quick" not in text.replace("--preset quick", "")
    for line in ("| A | 1.25 | a |", "| B | 1.75 | ab |", "| C | 3.00 | b |"):
        assert line in text
    assert "Systems: laminar, kpp2d. Over 4 comparisons (systems and seeds)" in text
    assert "ALONE" not in text
    assert "critical difference 1.66" in text
    assert "### methods-kpp2d: all methods on kpp2d" in text


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
