"""Configurations as files and as words of a command line."""

from __future__ import annotations

import dataclasses
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twostep_rs import experiments
from twostep_rs.config import Config, EvaluationConfig, SimulationConfig, StageOneConfig
from twostep_rs.errors import ConfigError
from twostep_rs.runs import config_file

positive = st.floats(1e-300, 1e300, allow_nan=False)
configs = st.builds(
    Config,
    seed=st.integers(0, 2**32 - 1),
    device=st.sampled_from(["cpu", "cuda", "cuda:1"]),
    threads=st.none() | st.integers(1, 512),
    simulation=st.builds(
        SimulationConfig,
        physics=st.sampled_from(["paper", "aggregating", "resolved"]),
        parameters=st.lists(positive, unique=True).map(tuple),
    ),
    evaluation=st.builds(
        EvaluationConfig,
        parameters=st.lists(positive, unique=True).map(tuple),
        references=st.integers(2, 10**6),
        metrics=st.sampled_from([("exact",), ("histogram", "exact")]),
    ),
)


@given(configs)
def test_what_is_written_is_read_back(config):
    assert config_file.loads(config_file.dumps(config)) == config


@pytest.mark.parametrize("preset", ["quick", "full", "paper"])
def test_every_value_of_a_preset_is_written_out_with_a_comment(preset):
    config = experiments.get("ks3d-laminar").config(preset)
    text = config_file.dumps(config)
    written = tomllib.loads(text)
    for key, value in config_file.flat(config):
        section, _, name = key.rpartition(".")
        if value is None:
            assert f"\n# {name} =" in text
            continue
        stored = (written[section] if section else written)[name]
        assert stored == (list(value) if isinstance(value, tuple) else value)


def test_comments_are_those_of_the_docstring():
    text = config_file.dumps(Config())
    assert "references = 4" in text
    line = next(line for line in text.splitlines() if line.startswith("references"))
    assert line.endswith("# comparisons of each stage, every one with a reference and a source "
                         "of its own")  # fmt: skip
    assert "paper | aggregating | resolved" in text


def test_a_file_gives_only_what_differs_from_its_base():
    base = dataclasses.replace(Config(), stage_1=StageOneConfig(steps=7))
    config = config_file.loads("seed = 5\n[stage_1]\nbatch = 9\n", base=base)
    assert (config.seed, config.stage_1.batch, config.stage_1.steps) == (5, 9, 7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sed = 1", r"sed: expected a known key.*did you mean seed\?"),
        ("[stage_1]\nstep = 1", r"stage_1.step: .*did you mean stage_1.steps\?"),
        ("[stage1]\nsteps = 1", r"stage1: "),
        ("steps = 1", r"steps: .*stage_1.steps or stage_2.steps"),
        ("[zebra]\nquagga = 1", r"zebra: expected a known key, got an unknown one$"),
        ("seed = 1.0", "seed: expected an integer, got 1.0"),
        ("seed = true", "seed: expected an integer, got True"),
        ("seed = -1", "seed: expected 0 to 4294967295, got -1"),
        ("threads = 0", "threads: expected at least 1, got 0"),
        ("[stage_1]\nlearning_rate = nan", "stage_1.learning_rate: expected a finite number"),
        ("stage_1 = 3", "stage_1: expected a section, got 3"),
        ("[evaluation]\nparameters = 20", "evaluation.parameters: expected a list, got 20"),
        ("[evaluation]\nparameters = [20, 20]", "evaluation.parameters: expected no value twice"),
        ("[evaluation]\nreferences = 1", "evaluation.references: expected at least 2, got 1"),
        ("[evaluation]\nboxes = ['mine']", "evaluation.boxes: expected one of"),
        ("[evaluation]\nboxes = []", r"evaluation.boxes .*: expected at least 1, got 0"),
        ("[simulation]\nphysics = 'real'", "simulation.physics: expected one of"),
        ("seed = ", "expected TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        config_file.loads(text, "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("seed=3", "seed", 3),
        ("threads=2", "threads", 2),
        ("threads=none", "threads", None),
        ("device=cuda:1", "device", "cuda:1"),
        ("device='cpu'", "device", "cpu"),
        ("stage_1.steps = 1_000", "stage_1.steps", 1000),
        ("stage_1.learning_rate=1", "stage_1.learning_rate", 1.0),
        ("stage_1.learning_rate=2e-4", "stage_1.learning_rate", 2e-4),
        ("stage_2.inputs=position", "stage_2.inputs", "position"),
        ("evaluation.parameters=20,60.5", "evaluation.parameters", (20.0, 60.5)),
        ("evaluation.parameters=[20]", "evaluation.parameters", (20.0,)),
        ("evaluation.boxes=joint,reference", "evaluation.boxes", ("joint", "reference")),
    ],
)
def test_assignments_of_a_command_line(assignment, key, value):
    config = config_file.override(Config(), [assignment])
    assert dict(config_file.flat(config))[key] == value
    others = [k for k, v in config_file.flat(config) if v != dict(config_file.flat(Config()))[k]]
    assert set(others) <= {key}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("seed", "set: expected key=value, got 'seed'"),
        ("stage_1.stepz=3", "did you mean stage_1.steps"),
        ("stage_1.steps=many", "stage_1.steps: expected an integer, got 'many'"),
        ("stage_1.steps=1.5", "stage_1.steps: expected an integer, got 1.5"),
        ("seed.low=1", "seed: expected an integer"),
        ("evaluation.parameters=20,x", "evaluation.parameters: expected a finite number, got 'x'"),
        ("stage_1.method=imm", "stage_1.method: expected one of"),
    ],
)
def test_assignments_that_make_no_sense(assignment, message):
    with pytest.raises(ConfigError, match=message):
        config_file.override(Config(), [assignment])


def test_values_that_bound_each_other_are_given_in_any_order() -> None:
    shorter = ["stage_2.batch_period=10", "stage_2.refresh=5"]
    found = config_file.override(Config(), shorter)
    assert found == config_file.override(Config(), shorter[::-1])
    assert (found.stage_2.batch_period, found.stage_2.refresh) == (10, 5)


def test_the_last_of_several_values_for_one_key_counts() -> None:
    assert config_file.override(Config(), ["seed=1", "seed=2"]).seed == 2


def test_a_value_for_a_section_is_named_where_its_keys_are_given_too() -> None:
    with pytest.raises(ConfigError, match=r"stage_1: expected keys of a section, got .* '3'"):
        config_file.override(Config(), ["stage_1=3", "stage_1.steps=5"])


def test_differences_name_keys_and_values():
    other = config_file.override(Config(), ["seed=1", "stage_2.steps=5"])
    assert config_file.differences(Config(), other) == [
        "seed is 0, not 1",
        "stage_2.steps is 3000, not 5",
    ]
    assert config_file.differences(Config(), Config()) == []
