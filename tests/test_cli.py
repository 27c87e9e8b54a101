"""The command line: help, one clear line for what is wrong, and what each command does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import twostep_rs as ts
from twostep_rs.cli import main

COMMANDS = [
    "run", "simulate", "train", "sample", "evaluate", "plot", "report", "reproduce", "w2", "bench",
    "info", "cite",
]  # fmt: skip
TINY = ["--set", "simulation.parameters=20,100", "simulation.particles=50"]


def complaint(capsys, arguments):
    """The one line that a failing command prints."""
    status = main(arguments)
    captured = capsys.readouterr()
    assert status != 0
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if not line.startswith("simulate")]
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("twostep: error: ")
    return lines[0].removeprefix("twostep: error: ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(capsys, command):
    assert main([command, "--help"]) == 0
    assert f"Example: twostep {command}" in " ".join(capsys.readouterr().out.split())


def test_the_examples_of_the_help_are_valid():
    """Each example parses: its words are those that the parser knows."""
    import tyro

    from twostep_rs.cli import commands

    for kind in commands.COMMANDS.__args__:
        command = kind.__origin__
        (line,) = [x for x in command.__doc__.splitlines() if "Example: " in x]
        words = line.split("Example: twostep ")[1].split(" >> ")[0].split()
        parsed = tyro.cli(commands.COMMANDS, args=words)
        assert isinstance(parsed, command)


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f" {command} " in out for command in COMMANDS)
    assert "--debug" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "simulate"),
        (["walk"], "walk"),
        (["run"], "EXPERIMENT"),
        (["run", "ks3d-laminar", "--preset", "huge"], "huge"),
        (["run", "ks3d-laminar", "--seed", "x"], "--seed"),
        (["run", "ks3d-laminar", "--sede", "1"], "--sede"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(capsys, arguments, message):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert message in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "ks3d-lamnar"], "did you mean ks3d-laminar?"),
        (["run", "ks3d-laminar", "--set", "stage_1.step=3"], "did you mean stage_1.steps?"),
        (["run", "ks3d-laminar", "--seed", "-1"], "seed: expected 0 to 4294967295, got -1"),
        (["run", "ks3d-laminar", "--device", "cuda:99"], "device: expected one that is there"),
        (["run", "ks3d-laminar", "--device", "abacus"], "device: expected cpu, cuda"),
        (["simulate", "ks3d-laminar", "--config", "none.toml"], "none.toml: expected a TOML file"),
        (["simulate", "ks3d-laminar", "--set", "simulation.parameters="], "at least one"),
        (["train", "nowhere"], "config.toml: expected the file of a run"),
        (["evaluate", "nowhere"], "config.toml: expected the file of a run"),
        (["report", "nowhere"], "config.toml: expected the file of a run"),
        (["w2", "a.npy", "b.npy"], "a.npy: expected a file, got No such file or directory"),
    ],
)
def test_bad_input_is_one_line_and_status_1(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert message in complaint(capsys, arguments)
    assert main(arguments) == 1
    # Nothing was begun, but for the directory of a run without parameters.
    assert all(path.name == "runs" for path in tmp_path.iterdir())


def test_debug_shows_the_traceback(capsys):
    assert main(["train", "nowhere", "--debug"]) == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_simulate_begins_a_run_and_leaves_others_alone(capsys, tmp_path):
    out = str(tmp_path / "run")
    begin = ["simulate", "ks3d-laminar", "--out", out, "--seed", "4", *TINY]
    assert main(begin) == 0
    files = capsys.readouterr().out.split()
    assert [Path(file).name for file in files] == ["20.0.npz", "100.0.npz"]
    before = Path(files[0]).stat().st_mtime_ns
    assert main(begin) == 0
    assert Path(files[0]).stat().st_mtime_ns == before
    capsys.readouterr()
    assert "another run: seed is 4, not 5" in complaint(capsys, [*begin, "--seed", "5"])
    assert "config.toml: seed" not in (tmp_path / "run" / "config.toml").read_text()


def test_options_and_a_file_build_the_configuration(capsys, tmp_path):
    (tmp_path / "mine.toml").write_text(
        "seed = 8\n[simulation]\nparameters = [30]\nparticles = 20\n[stage_1]\nsteps = 11\n"
    )
    out = tmp_path / "run"
    words = ["--config", str(tmp_path / "mine.toml"), "--preset", "quick", "--out", str(out)]
    more = ["--physics", "aggregating", "--threads", "1", "--set", "stage_2.steps=12"]
    assert main(["simulate", "ks3d-laminar", *words, *more]) == 0
    text = (out / "config.toml").read_text()
    for line in ("seed = 8", "threads = 1", 'physics = "aggregating"', "steps = 11", "steps = 12"):
        assert line in text
    assert ts.get_num_threads() == len(os.sched_getaffinity(0))  # as before the command


def test_a_damaged_cloud_is_named(capsys, tmp_path):
    begin = ["simulate", "ks3d-laminar", "--out", str(tmp_path), *TINY]
    main(begin)
    capsys.readouterr()
    (tmp_path / "clouds" / "20.0.npz").write_bytes(b"PK")
    (tmp_path / "status.json").unlink()
    assert "20.0.npz: expected a whole .npz file" in complaint(capsys, begin)


def test_w2_prints_the_distance_with_its_certificate(capsys, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(30, 2))
    np.save(tmp_path / "x.npy", x)
    np.savetxt(tmp_path / "y.csv", y, delimiter=",")
    files = [str(tmp_path / "x.npy"), str(tmp_path / "y.csv")]
    cases = {
        (): ts.ot.emd(x, y).cost,
        ("--period", "3.0"): ts.ot.emd(x, y, period=3.0).cost,
        ("--period", "3.0", "2.0"): ts.ot.emd(x, y, period=[3.0, 2.0]).cost,
        ("--bins", "8"): ts.ot.histogram_w2(x, y, bins=8).w2_squared,
        ("--bins", "8", "--box", "joint"): ts.ot.histogram_w2(x, y, bins=8, box="joint").w2_squared,
    }
    for options, expected in cases.items():
        assert main(["w2", *files, *options]) == 0
        lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
        lines = {name.strip(): value.strip() for name, value in lines.items()}
        assert float(lines["W2 squared"]) == pytest.approx(expected, rel=1e-10)
        assert float(lines["W2"]) == pytest.approx(expected**0.5, rel=1e-10)
        assert abs(float(lines["duality gap"])) < 1e-9
        assert float(lines["largest dual violation"].split()[0]) < 1e-9


def test_w2_refuses_clouds_of_different_dimensions(capsys, tmp_path):
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    np.save(tmp_path / "y.npy", np.ones((3, 3)))
    message = complaint(capsys, ["w2", str(tmp_path / "x.npy"), str(tmp_path / "y.npy")])
    assert message.endswith("y.npy: expected 2 columns, got 3")


def test_info_says_version_build_and_machine(capsys):
    assert main(["info"]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["twostep_rs"] == ts.__version__
    assert lines["build"] == "release"
    assert {"simd", "threads", "torch", "gpu", "python", "numpy"} <= set(lines)


def test_cite_prints_bibtex(capsys):
    assert main(["cite"]) == 0
    out = capsys.readouterr().out
    assert out.count("@") == out.count("\n}\n") == 10
    assert f"version = {{{ts.__version__}}}" in out


@pytest.mark.parametrize("words", ["--help", "w2 x.npy x.npy", "simulate ks3d-laminar --out run"])
def test_what_needs_no_network_does_not_import_torch(tmp_path, words):
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    code = f"""
import sys
from twostep_rs.cli import main
assert main({[*words.split(), *(TINY if "simulate" in words else [])]!r}) == 0
assert "torch" not in sys.modules and "matplotlib" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=60)


def test_a_run_needs_no_package_of_the_command_line(tmp_path):
    code = """
import sys
sys.modules["tyro"] = sys.modules["rich"] = None
from pathlib import Path
from twostep_rs import experiments, runs
from twostep_rs.runs import config_file, progress
experiment = experiments.get("ks3d-laminar")
tiny = ["simulation.parameters=20,100", "simulation.particles=50"]
config = config_file.override(experiment.config("quick"), tiny)
runs.run(experiment, config, Path("run"), only=("simulate",), progress=progress.choose())
assert runs.RunDirectory.open(Path("run")).config == config
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=60)


def test_a_reader_who_has_seen_enough_is_no_error():
    with subprocess.Popen(
        [sys.executable, "-m", "twostep_rs.cli", "cite"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=60) == 1


@pytest.mark.alone
def test_ctrl_c_ends_a_simulation_at_once_and_says_how_to_go_on(tmp_path):
    words = ["simulate", "ks3d-laminar", "--out", "run", "--set", "simulation.particles=200000"]
    with subprocess.Popen(
        [sys.executable, "-m", "twostep_rs.cli", *words],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr.readline() == "simulate ...\n"
        time.sleep(0.2)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 130
        assert time.monotonic() - start < 2.0  # most of it to take the interpreter down
    assert "Traceback" not in rest
    assert rest.splitlines()[-1] == (
        "twostep: stopped; what is done is kept; go on with: twostep " + " ".join(words)
    )


def test_a_missing_package_is_named(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "tyro", None)
    monkeypatch.delitem(sys.modules, "twostep_rs.cli.commands", raising=False)
    assert complaint(capsys, ["info"]) == (
        "tyro: expected to be installed, got none; pip install 'twostep_rs[all]'"
    )


def test_the_status_file_says_what_is_done(tmp_path):
    main(["simulate", "ks3d-laminar", "--out", str(tmp_path), *TINY])
    status = json.loads((tmp_path / "status.json").read_text())
    assert list(status["done"]) == ["simulate"]
    assert status["environment"]["twostep_rs"] == ts.__version__


def test_batches_that_clouds_cannot_fill_are_refused_before_they_are_simulated(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    words = ["run", "ks3d-laminar", "--out", "run", *TINY, "stage_2.batch=40"]
    assert main(words) == 1
    assert "stage_2.batch: expected at most half of the 50" in capsys.readouterr().err
    assert not Path("run").exists()
