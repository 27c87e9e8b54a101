"""Whole runs at a tiny size: what they leave, and that a kill at any moment changes nothing."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import twostep_rs as ts
from twostep_rs import experiments
from twostep_rs.cli import main
from twostep_rs.errors import DeviceError, FileFormatError, RunDirectoryError
from twostep_rs.runs import RunDirectory, evaluate, run, solver
from twostep_rs.runs.evaluation_file import read_evaluation
from twostep_rs.runs.metrics import read_metrics

ROOT = Path(__file__).parents[2]
EXPERIMENT = experiments.get("ks3d-laminar")
TINY = [
    "simulation.parameters=20,60,150",
    "simulation.particles=300",
    "stage_1.steps=150",
    "stage_1.batch=128",
    "stage_1.width=16",
    "stage_1.depth=2",
    "stage_2.steps=90",
    "stage_2.batch=64",
    "stage_2.width=16",
    "stage_2.depth=2",
    "stage_2.batch_period=10",
    "stage_2.refresh=5",
    "evaluation.parameters=20,200",
    "evaluation.particles=200",
]
WORDS = ["run", "ks3d-laminar", "--preset", "quick", "--threads", "1", "--set", *TINY]

# The command, with a checkpoint after every step instead of every 30 seconds.
COMMAND = f"""
import functools, sys
from twostep_rs.training import checkpoint
checkpoint.CheckpointFile = functools.partial(checkpoint.CheckpointFile, every_seconds=0.0)
from twostep_rs.cli import main
sys.exit(main({WORDS!r} + sys.argv[1:]))
"""


def start(out):
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "run"
    with start(out) as process:
        errors = process.stderr.read()
    assert process.returncode == 0, errors
    return out


def last_step(out, stage):
    try:
        rows = read_metrics(out / "metrics.jsonl")
    except FileFormatError:
        return 0
    return max((row["step"] for row in rows if row["stage"] == stage), default=0)


def weights(out):
    """Every bit of the tensors of a run, by name."""
    tensors = load_file(out / "weights.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def interrupted(out, number, stage, step):
    """What a session says that gets a signal after some steps of a stage."""
    with start(out) as process:
        while last_step(out, stage) < step:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.005)
        begun = time.monotonic()
        process.send_signal(number)
        errors = process.stderr.read()
        expected = {signal.SIGINT: 130, signal.SIGKILL: -signal.SIGKILL}[number]
        assert process.wait() == expected, errors
    assert time.monotonic() - begun < 5.0  # most of it to take the interpreter down
    assert step <= last_step(out, stage) < {1: 150, 2: 90}[stage]
    assert f"stage_{stage}" not in RunDirectory.open(out).status().done
    assert (out / "checkpoints" / f"stage_{stage}.pt").exists()
    return errors


def test_a_run_that_is_stopped_and_killed_ends_with_the_weights_of_one_that_is_not(whole, tmp_path):
    out = tmp_path / "run"
    errors = interrupted(out, signal.SIGINT, stage=1, step=30)
    assert "Traceback" not in errors
    assert "go on with: twostep run ks3d-laminar" in errors
    interrupted(out, signal.SIGKILL, stage=1, step=80)
    interrupted(out, signal.SIGKILL, stage=2, step=30)
    with start(out) as process:
        errors = process.stderr.read()
    assert process.returncode == 0, errors

    assert weights(out) == weights(whole)
    rows, expected = (read_evaluation(path / "evaluation.json")[0] for path in (out, whole))
    assert rows == expected
    # Not one logged step is missing or there twice.
    logged, expected = (
        [(row["stage"], row["step"], row["loss"]) for row in read_metrics(path / "metrics.jsonl")]
        for path in (out, whole)
    )
    assert logged == expected


def test_a_run_leaves_what_the_documents_promise(whole):
    subprocess.run([sys.executable, ROOT / "tools" / "check_run.py", whole], check=True)
    for name in ("config.toml", "status.json", "metrics.jsonl", "weights.safetensors"):
        assert (whole / name).stat().st_size > 0
    figures = {path.name for path in (whole / "figures").iterdir()}
    assert {"w2.png", "w2.pdf", "losses.png", "projections-20.png"} <= figures
    document = json.loads((whole / "evaluation.json").read_text())
    assert set(document["seconds"]) == {
        "simulate", "stage_1", "stage_2", "couplings", "evaluate",
    }  # fmt: skip
    assert 0 < document["seconds"]["couplings"] < document["seconds"]["stage_2"]
    assert not [path for path in whole.rglob("*") if "part" in path.name]


def test_a_run_that_is_done_is_not_done_again(whole, capsys):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    assert main([*WORDS, "--out", str(whole)]) == 0
    out = capsys.readouterr().out
    assert "ratio to floor" in out
    assert out.splitlines()[-1] == f"report: {whole / 'report.html'}"
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_another_run_does_not_touch_this_one(whole, capsys):
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    assert main([*WORDS, "--out", str(whole), "--seed", "1"]) == 1
    assert "another run: seed is 0, not 1" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == before


def test_who_loads_the_run_gets_the_same_figures(whole):
    config = RunDirectory.open(whole).config
    system = EXPERIMENT.system("paper")
    model = ts.load(whole, system=system)
    found = evaluate(
        {
            1: lambda source, parameter: model.transport(source, parameter, stage=1),
            2: lambda source, parameter: model.transport(source, parameter, stage=2),
        },
        system,
        config.evaluation,
        training_parameters=config.simulation.parameters,
        seed=config.seed,
    )
    for row, written in zip(found.rows, read_evaluation(whole / "evaluation.json")[0], strict=True):
        assert dataclasses.replace(row, w2_squared=0, standard_error=0) == dataclasses.replace(
            written, w2_squared=0, standard_error=0
        )
        # The networks may round otherwise with another number of threads.
        assert row.w2_squared == pytest.approx(written.w2_squared, rel=1e-3)


def test_sample_writes_what_the_model_draws(whole, tmp_path, capsys):
    words = ["sample", str(whole), "--parameter", "100", "--n", "50", "--seed", "7"]
    assert main([*words, "--out", str(tmp_path / "a.npz")]) == 0
    with np.load(tmp_path / "a.npz") as archive:
        source, target = archive["source"], archive["target"]
    model = ts.load(whole, system=EXPERIMENT.system("paper"))
    assert np.array_equal(target, model.sample(100.0, n=50, seed=7))
    assert np.array_equal(target, model.sample(100.0, n=50, seed=0, source=source))
    first = ["--stage", "1", "--out", str(tmp_path / "b.npy")]
    assert main([*words, *first]) == 0
    assert np.array_equal(np.load(tmp_path / "b.npy"), model.stage_1.sample(100.0, n=50, seed=7))
    capsys.readouterr()
    assert main([*words, *first]) == 1
    assert "expected a new file, got one that exists" in capsys.readouterr().err


def test_steps_alone_do_what_the_run_does(whole, tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main(["simulate", *WORDS[1:], "--out", out]) == 0
    for command in ("train", "evaluate", "plot", "report"):
        assert main([command, out]) == 0, capsys.readouterr().err
    assert weights(tmp_path / "run") == weights(whole)
    assert (tmp_path / "run" / "config.toml").read_bytes() == (whole / "config.toml").read_bytes()
    assert (
        read_evaluation(tmp_path / "run" / "evaluation.json")[0]
        == read_evaluation(whole / "evaluation.json")[0]
    )
    assert (tmp_path / "run" / "report.html").exists()


def test_a_repeated_evaluation_makes_figures_and_report_due_again(whole, tmp_path, capsys):
    copy = copied(whole, tmp_path)
    assert main(["evaluate", str(copy)]) == 0, capsys.readouterr().err
    done = json.loads((copy / "status.json").read_text())["done"]
    assert {"evaluate", "stage_2", "couplings"} <= done.keys()
    assert not {"plot", "report"} & done.keys()


def interrupted_evaluation(copy, monkeypatch, most):
    """Do so many distances of an evaluation, and count those of the ones that follow."""
    calls = []
    distance = solver.distance

    def stop(*arguments):
        if len(calls) == most:
            raise KeyboardInterrupt
        return count(*arguments)

    def count(*arguments):
        calls.append(arguments)
        return distance(*arguments)

    monkeypatch.setattr(solver, "distance", stop)
    assert main(["evaluate", str(copy)]) == 130
    calls.clear()
    monkeypatch.setattr(solver, "distance", count)
    assert (copy / "distances.jsonl").exists()
    return calls


# At quick: 3 pairs of the floor, 2 references of 2 stages, 2 parameters, one histogram.
@pytest.mark.parametrize("most", [1, 9])
def test_an_evaluation_that_was_interrupted_goes_on(whole, tmp_path, capsys, monkeypatch, most):
    copy = copied(whole, tmp_path)
    calls = interrupted_evaluation(copy, monkeypatch, most)
    assert main(["evaluate", str(copy)]) == 0, capsys.readouterr().err
    assert len(calls) == 14 - most
    rows, expected = (read_evaluation(path / "evaluation.json")[0] for path in (copy, whole))
    assert rows == expected
    assert not (copy / "distances.jsonl").exists()


def test_distances_of_other_weights_are_not_taken(whole, tmp_path, capsys, monkeypatch):
    copy, fresh = copied(whole, tmp_path), copied(whole, tmp_path / "fresh")
    calls = interrupted_evaluation(copy, monkeypatch, 9)
    for path in (copy, fresh):
        file = path / "weights.safetensors"
        with safe_open(file, "pt") as opened:
            described = opened.metadata()
        tensors = {name: 1.01 * tensor for name, tensor in load_file(file).items()}
        save_file(tensors, file, described)
    assert main(["evaluate", str(copy)]) == 0, capsys.readouterr().err
    assert len(calls) == 8  # the scores
    assert main(["evaluate", str(fresh)]) == 0, capsys.readouterr().err
    rows, expected = (read_evaluation(path / "evaluation.json")[0] for path in (copy, fresh))
    assert rows == expected


@pytest.mark.parametrize("name", ["stage_1.pt", "stage_2.pt"])
def test_a_truncated_checkpoint_is_named(whole, tmp_path, capsys, name):
    copy = copied(whole, tmp_path)
    checkpoint = copy / "checkpoints" / name
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    undo(copy, "stage_2")
    assert main(["train", str(copy)]) == 1
    assert f"{name}: expected a checkpoint" in capsys.readouterr().err


def test_a_checkpoint_of_another_training_is_named(whole, tmp_path, capsys):
    copy = copied(whole, tmp_path)
    (copy / "checkpoints" / "stage_1.pt").write_bytes(
        (copy / "checkpoints" / "stage_2.pt").read_bytes()
    )
    undo(copy, "stage_2")
    assert main(["train", str(copy)]) == 1
    assert "stage_1.pt: " in capsys.readouterr().err


def test_a_run_is_evaluated_on_the_device_that_is_asked_for(whole, tmp_path, capsys):
    copy = copied(whole, tmp_path)
    config = copy / "config.toml"
    config.write_text(config.read_text().replace('device = "cpu"', 'device = "cuda:77"'))
    assert main(["evaluate", str(copy)]) == 1
    assert "device: expected one that is there, got 'cuda:77'" in capsys.readouterr().err
    assert main(["evaluate", str(copy), "--device", "cpu"]) == 0
    rows, expected = (read_evaluation(path / "evaluation.json")[0] for path in (copy, whole))
    assert rows == expected


def test_truncated_weights_are_named(whole, tmp_path, capsys):
    copy = copied(whole, tmp_path)
    weights = copy / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert main(["evaluate", str(copy)]) == 1
    assert "weights.safetensors: " in capsys.readouterr().err


def test_a_device_that_is_not_there_is_refused_before_any_work(tmp_path):
    config = dataclasses.replace(EXPERIMENT.config("quick"), device="cuda:77")
    with pytest.raises(DeviceError, match="device: expected one that is there, got 'cuda:77'"):
        run(EXPERIMENT, config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_in_use_is_left_alone(whole):
    directory = RunDirectory.open(whole)
    with directory.locked(), pytest.raises(RunDirectoryError, match="another process"):
        run(EXPERIMENT, directory.config, whole)


def copied(run_path, tmp_path):
    """A copy that a test may spoil."""
    import shutil

    return Path(shutil.copytree(run_path, tmp_path / "copy"))


def undo(path, step):
    """Make a step look as if it were not done."""
    status = json.loads((path / "status.json").read_text())
    del status["done"][step]
    (path / "status.json").write_text(json.dumps(status))
