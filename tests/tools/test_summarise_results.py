"""Means over seeds, their intervals, and the tables of the results page."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import summarise_results
from scipy.stats import ttest_1samp

from twostep_rs.runs.evaluation import Row
from twostep_rs.runs.evaluation_file import write_evaluation

ROW = Row("two-step", 2, 20.0, True, 0, "histogram", "reference", 1.1, 0.02, 1.0, 0.0, 100)


def rows_of(*values, **changes):
    return [
        replace(ROW, seed=seed, w2_squared=value, **changes) for seed, value in enumerate(values)
    ]


def test_the_interval_of_several_seeds_is_that_of_students_test():
    values = [1.1, 1.3, 1.0]
    found = summarise_results.Summary.of(rows_of(*values), references=4)
    interval = ttest_1samp(values, 1.0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx(interval)
    assert found.ratio == pytest.approx(sum(values) / 3)
    assert (found.worst, found.seeds) == (1.3, (0, 1, 2))


def test_one_seed_has_the_errors_of_its_references():
    found = summarise_results.Summary.of([ROW], references=4)
    # Student's quantile for 0.975 and three degrees of freedom, from a printed table.
    assert found.high - found.ratio == pytest.approx(3.182 * 0.02, rel=1e-3)


def test_a_floor_that_seeds_share_counts_once():
    shared = rows_of(1.1, 1.1, floor_standard_error=0.1)
    own = [shared[0], replace(shared[1], floor=1.2)]
    of_shared, of_own = (summarise_results.Summary.of(rows, 4) for rows in (shared, own))
    assert of_shared.floor_standard_error == pytest.approx(0.1)
    assert of_own.floor == pytest.approx(1.1)
    assert of_own.floor_standard_error == pytest.approx(0.1 / 2**0.5)


@pytest.fixture
def results(tmp_path):
    """Two seeds of one run, and a page with places."""
    for seed, value in enumerate((1.1, 1.3)):
        run = tmp_path / f"ks/full-s{seed}"
        run.mkdir(parents=True)
        rows = [
            replace(ROW, seed=seed, stage=stage, parameter=parameter, w2_squared=stage * value)
            for stage in (1, 2)
            for parameter in (20.0, 200.0)
        ]
        rows = [replace(row, training_range=row.parameter < 150.0) for row in rows]
        write_evaluation(run / "evaluation.json", rows, {})
        (run / "config.toml").write_text("[evaluation]\nreferences = 4\n")
        (run / "status.json").write_text(json.dumps({"done": {"stage_1": 3.0, "plot": 1.25}}))
    page = tmp_path / "README.md"
    names = ("ks/full", "ks/full-s0/status.json", "ks/missing")
    page.write_text("before\n" + "".join(f"<!-- {n} -->\nold\n<!-- end -->\n" for n in names))
    return tmp_path


def test_the_page_is_filled_where_there_are_results(results):
    summarise_results.main(results)
    page = (results / "README.md").read_text()
    assert page.startswith("before\n")
    assert page.count("old") == 1  # of the run that is missing
    assert (
        "| 200 | no | 10000.0 ± 0.0 | 1.20 (-0.07 to 2.47) | 2.40 (-0.14 to 4.94) | 2.60 |" in page
    )
    assert "inside the range 1.20 and 2.40, outside the range 1.20 and 2.40." in page
    assert "Seconds: stage I 3.0, figures 1.2." in page
    document = json.loads((results / "ks/full.json").read_text())
    assert document["runs"] == ["ks/full-s0", "ks/full-s1"]
    assert [row["ratio"] for row in document["rows"]] == pytest.approx([1.2, 1.2, 2.4, 2.4])


def test_a_second_time_changes_nothing(results):
    summarise_results.main(results)
    before = (results / "README.md").read_text()
    summarise_results.main(results)
    assert (results / "README.md").read_text() == before


def test_held_out_ratios_are_means_over_seeds(results):
    shared = {"metric": "histogram", "parameter": 70.0, "floor": 2.0, "coupling": "paired"}
    lines = [
        {**shared, "stage_1_steps": 10, "order": "one", "stage": 2, "seed": seed, "w2_squared": w}
        for seed, w in enumerate((2.0, 2.4))
    ]
    file = results / "ks/held-out.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (results / "README.md").write_text("<!-- ks/held-out.jsonl -->\n<!-- end -->\n")
    summarise_results.main(results)
    assert "| paired | 10 | one | 2 | 1.10 ± 0.10 |" in (results / "README.md").read_text()
