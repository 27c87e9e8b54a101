"""Run directories: nothing is overwritten, nothing half written, nothing foreign believed."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from twostep_rs.config import Config
from twostep_rs.errors import ConfigError, FileFormatError, RunDirectoryError
from twostep_rs.runs.directory import RunDirectory
from twostep_rs.runs.files import write_atomically
from twostep_rs.runs.metrics import MetricsLog, read_metrics


def snapshot(path):
    return {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_the_same_run_is_taken_up_again(tmp_path):
    RunDirectory.create(tmp_path / "a" / "run", Config())
    before = snapshot(tmp_path)
    assert RunDirectory.create(tmp_path / "a" / "run", Config()).config == Config()
    assert snapshot(tmp_path) == before


def test_another_run_is_left_alone(tmp_path):
    RunDirectory.create(tmp_path, Config())
    before = snapshot(tmp_path)
    with pytest.raises(RunDirectoryError, match="another run: seed is 0, not 1"):
        RunDirectory.create(tmp_path, dataclasses.replace(Config(), seed=1))
    assert snapshot(tmp_path) == before


def test_a_directory_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunDirectoryError, match="one with other files"):
        RunDirectory.create(tmp_path, Config())
    assert list(snapshot(tmp_path)) == [tmp_path / "thesis.tex"]


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="expected a directory, got a file"):
        RunDirectory.create(tmp_path / "file", Config())
    with pytest.raises(RunDirectoryError, match="expected to write here, got Not a directory"):
        RunDirectory.create(tmp_path / "file" / "run", Config())


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_is_one_clear_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(RunDirectoryError, match="expected to write here, got Permission denied"):
        RunDirectory.create(tmp_path / "run", Config())


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of file sizes")
def test_no_space_is_one_clear_error_and_keeps_the_file(tmp_path):
    (tmp_path / "file").write_bytes(b"whole")
    code = f"""
import resource
from pathlib import Path
from twostep_rs.errors import RunDirectoryError
from twostep_rs.runs.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # what a full disk does, at 1000 bytes
try:
    write_atomically(Path({str(tmp_path / "file")!r}), bytes(5000))
except RunDirectoryError as error:
    print(error)
"""
    completed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    assert completed.stdout == f"{tmp_path / 'file'}: expected to write here, got File too large\n"
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_a_directory_without_a_run(tmp_path):
    with pytest.raises(FileFormatError, match=r"config\.toml: expected the file of a run"):
        RunDirectory.open(tmp_path)


def test_a_config_that_was_damaged_is_named(tmp_path):
    RunDirectory.create(tmp_path, Config())
    config = tmp_path / "config.toml"
    config.write_text(config.read_text().replace("seed =", "sead ="))
    with pytest.raises(ConfigError, match=r"config.toml: sead: .*did you mean seed\?"):
        RunDirectory.open(tmp_path)


def test_a_config_that_was_changed_after_a_step_is_refused(tmp_path):
    run = RunDirectory.create(tmp_path, Config())
    run.finish("simulate", 1.5)
    assert run.status().done == {"simulate": 1.5}
    changed = dataclasses.replace(Config(), seed=4)
    with pytest.raises(RunDirectoryError, match=r"config.toml: seed: expected 0, .* got 4"):
        RunDirectory(tmp_path, changed).status()
    # Where it goes on and how it is evaluated may change.
    evaluation = dataclasses.replace(Config().evaluation, references=9)
    moved = dataclasses.replace(Config(), evaluation=evaluation, device="cuda", threads=3)
    RunDirectory(tmp_path, moved).status()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "status.json: expected JSON"),
        ('{"format": 1, "done": {"simu', "status.json: expected JSON"),
        ("[]", "status.json: expected a JSON object, got list"),
        ("{}", "status.json: format: expected int, got None"),
        ('{"format": 99}', "status.json: format: expected 1, got 99"),
        ('{"format": 1, "done": 3}', "status.json: done: expected dict, got 3"),
        ('{"format": 1, "done": {"x": 3}}', "status.json: done: expected steps of a run, got 'x'"),
        ('{"format": 1, "done": {"plot": "y"}}', "status.json: plot: expected int or float"),
    ],
)
def test_a_damaged_status_is_named(tmp_path, text, message):
    run = RunDirectory.create(tmp_path, Config())
    (tmp_path / "status.json").write_text(text)
    with pytest.raises(FileFormatError, match=message):
        run.status()


@pytest.mark.skipif(sys.platform == "win32", reason="directories have no locks there")
def test_two_processes_do_not_share_a_run(tmp_path):
    run = RunDirectory.create(tmp_path, Config())
    refused = pytest.raises(RunDirectoryError, match="another process is working on")
    with run.locked(), refused, run.locked():
        pass
    with run.locked():
        pass


def test_files_are_whole_or_not_there(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"one")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(RunDirectoryError, match="file: expected to write here, got No space left"):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one"


def test_metrics_go_on_without_repeats(tmp_path):
    path = tmp_path / "metrics.jsonl"
    first = MetricsLog(path, stage=1)
    for step in (10, 20, 30):
        first({"step": step, "loss": 1.0 / step})
    MetricsLog(path, stage=2)({"step": 10, "loss": float("nan")})
    with path.open("a") as file:
        file.write('{"stage": 2, "st')  # killed in the middle of a line

    MetricsLog(path, stage=1)({"step": 20, "loss": 5.0})
    rows = read_metrics(path)
    assert [(row["stage"], row["step"], row["loss"]) for row in rows] == [
        (1, 10, 0.1),
        (2, 10, None),
        (1, 20, 5.0),
    ]
    assert rows[2]["seconds"] >= rows[0]["seconds"]


def test_seconds_go_on_where_the_checkpoint_was(tmp_path):
    path = tmp_path / "metrics.jsonl"
    row = {"stage": 1, "step": 10, "seconds": 100.0, "seconds_couplings": 50.0}
    later = row | {"step": 20, "seconds": 900.0, "seconds_couplings": 800.0}
    path.write_text(json.dumps(row) + "\n" + json.dumps(later) + "\n")
    MetricsLog(path, stage=1)({"step": 20.0, "seconds_couplings": 2.0})
    last = read_metrics(path)[-1]
    assert (last["step"], last["seconds_couplings"]) == (20, 52.0)
    assert 100.0 <= last["seconds"] < 110.0


@pytest.mark.parametrize("line", ["x", "[]", '{"stage": 1}', "3"])
def test_a_damaged_line_of_metrics_is_named(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"stage": 1, "step": 1, "seconds": 0}}\n{line}\n')
    with pytest.raises(FileFormatError, match=r"metrics\.jsonl: line 2: expected a row of JSON"):
        read_metrics(path)
