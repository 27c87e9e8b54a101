"""Targets: their results, their seeds, the registry and the command."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from reproduce_jobs import SQUARES, calls, single, square_jobs
from twostep_rs import experiments
from twostep_rs.cli import main
from twostep_rs.errors import ConfigError
from twostep_rs.reproduce import Request, Store, registry, reproduce
from twostep_rs.reproduce.brief import BRIEF
from twostep_rs.reproduce.schedule import in_order
from twostep_rs.runs import config_file


def test_a_target_leaves_json_and_text_with_its_verdicts(tmp_path):
    store = Store(tmp_path)
    (outcome,) = reproduce([SQUARES], Request("full", (0, 1, 2)), store, workers=2)
    assert outcome.seeds == (0, 1, 2)
    assert outcome.failures == []
    document = json.loads((tmp_path / "full" / "squares" / "result.json").read_text())
    assert document["numbers"] == {"values": [0, 1, 4]}
    assert document["command"] == "twostep reproduce squares --preset full --seeds 3"
    assert document["claims"][0]["verdict"] == "reproduced"
    assert document["machines"][0]["cores"] > 0
    assert date.fromisoformat(document["days"][0]) <= datetime.now(UTC).date()
    text = (tmp_path / "full" / "squares" / "result.md").read_text()
    assert "| squares are not negative | reproduced | least 0 |" in text
    assert "Of seeds | whole numbers." in text


def test_more_seeds_later_leave_done_jobs_alone(tmp_path):
    store = Store(tmp_path)
    reproduce([SQUARES], Request(seeds=(0,)), store)
    (outcome,) = reproduce([SQUARES], Request(seeds=(0, 1)), store, workers=2)
    assert outcome.seeds == (0, 1)
    assert [calls(store, job) for job in square_jobs(Request(seeds=(0, 1)))] == [1, 1]


def test_seeds_whose_jobs_failed_are_left_out_of_the_result(tmp_path):
    store = Store(tmp_path)
    blocked = store.path(single("square/s1", 1))
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way")
    (outcome,) = reproduce([SQUARES], Request(seeds=(0, 1, 2)), store, workers=2)
    assert outcome.seeds == (0, 2)
    assert [failure.job.name for failure in outcome.failures] == ["square/s1"]
    result = json.loads((outcome.directory / "result.json").read_text())
    assert result["numbers"] == {"values": [0, 4]}
    assert result["request"]["seeds"] == [0, 1, 2]
    assert result["seeds"] == [0, 2]
    said = "Made by `twostep reproduce squares --preset quick --seeds 3`, seeds 0, 2."
    assert said in (outcome.directory / "result.md").read_text()


def test_quick_runs_are_brief_unless_told_otherwise():
    config = experiments.get("kpp2d").config("quick")
    brief = Request("quick").configured(config, 3)
    assert (brief.stage_1.steps, brief.convergence.seeds, brief.seed) == (1500, 3, 3)
    told = Request("quick", overrides=("stage_1.steps=7",)).configured(config, 3)
    assert (told.stage_1.steps, told.convergence.seeds) == (7, 3)
    full = experiments.get("kpp2d").config("full")
    assert Request("full").configured(full, full.seed) == full
    compared = Request("quick", overrides=("stage_2.steps=9",)).configured(config, 3, compared=True)
    assert (compared.stage_1.steps, compared.stage_2.steps) == (300, 9)
    for experiment, changes in BRIEF.items():
        config = experiments.get(experiment).config("quick")
        assert Request("quick").configured(config, 0) == config_file.override(config, changes)


@pytest.fixture
def squares(monkeypatch):
    """The registry with squares alone."""
    monkeypatch.setattr(registry, "targets", lambda: {"squares": SQUARES})


def test_the_command_reproduces_and_says_so(squares, capsys, tmp_path):
    words = ["reproduce", "all", "squares", "--seeds", "2", "--out", str(tmp_path), "--jobs", "1"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "reproduced  squares are not negative (least 0)" in out
    assert out.count("squares of the seeds") == 1
    assert (tmp_path / "quick" / "squares" / "result.md").exists()


def test_the_command_fails_where_a_job_does(squares, capsys, tmp_path):
    (tmp_path / "jobs" / "square").mkdir(parents=True)
    (tmp_path / "jobs" / "square" / "s0").write_text("in the way")
    assert main(["reproduce", "squares", "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "not done" in captured.out
    assert "got 1 that are not; the first is square/s0" in captured.err


def test_bad_input_of_the_command(capsys):
    for words, message in [
        (["table-11"], "did you mean"),
        ([], "expected at least one of"),
        (["figure-10", "--seeds", "0"], "seeds: expected at least 1, got 0"),
        (["figure-10", "--jobs", "0"], "jobs: expected at least 1, got 0"),
    ]:
        assert main(["reproduce", *words]) == 1
        assert message in capsys.readouterr().err


def test_the_list_names_every_target(capsys):
    assert main(["reproduce", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in registry.names())


@pytest.mark.parametrize("preset", ["quick", "full", "paper"])
def test_the_jobs_of_all_targets_fit_together(preset):
    request = Request(preset, (0, 1, 2, 3, 4))
    every = in_order(job for target in registry.targets().values() for job in target.jobs(request))
    store_names = [name.casefold() for name in every]
    assert len(set(store_names)) == len(store_names)


def test_jobs_of_several_seeds_are_those_of_each():
    for target in registry.targets().values():
        together = {job.name for job in target.jobs(Request(seeds=(0, 1)))}
        apart = {job.name for s in (0, 1) for job in target.jobs(Request(seeds=(s,)))}
        assert together == apart, target.name


def test_a_name_is_registered_once(monkeypatch):
    monkeypatch.setattr(registry, "MODULES", registry.MODULES * 2)
    with pytest.raises(ConfigError, match="got two 'figure-2'"):
        registry.targets()
