from __future__ import annotations

import pytest

from twostep_rs.config import (
    Config,
    EvaluationConfig,
    SimulationConfig,
    StageOneConfig,
    StageTwoConfig,
)
from twostep_rs.errors import ConfigError


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        (StageOneConfig, {"method": "foo"}, r"method: expected one of \['meanflow', 'imf'\]"),
        (StageOneConfig, {"head": "afine"}, "head: expected one of"),
        (StageOneConfig, {"coupling": "indep"}, "coupling: expected one of"),
        (StageOneConfig, {"times": "gauss"}, "times: expected one of"),
        (StageOneConfig, {"steps": 1.5}, "steps: expected int, got 1.5"),
        (StageOneConfig, {"steps": "x"}, "steps: expected int, got 'x'"),
        (StageOneConfig, {"steps": 0}, "steps: expected at least 1, got 0"),
        (StageOneConfig, {"times_mean": float("nan")}, "times_mean: expected float, got nan"),
        (StageOneConfig, {"learning_rate": 0.0}, "learning_rate: expected a positive number"),
        (StageOneConfig, {"equal_times": 1.5}, "equal_times: expected a number from 0 to 1"),
        (StageOneConfig, {"head": "plain"}, "jitter: expected 0 with head 'plain', got 0.1"),
        (StageTwoConfig, {"solver": "greedy"}, "solver: expected one of"),
        (StageTwoConfig, {"debias": 1}, "debias: expected bool, got 1"),
        (StageTwoConfig, {"refresh": 31}, "refresh: expected at most batch_period = 30, got 31"),
        (SimulationConfig, {"physics": "foo"}, "physics: expected one of"),
        (SimulationConfig, {"parameters": 3.0}, "parameters: expected"),
        (SimulationConfig, {"parameters": (float("nan"),)}, "parameters: expected"),
        (EvaluationConfig, {"metrics": ("emd",)}, "metrics: expected"),
        (EvaluationConfig, {"boxes": "joint"}, "boxes: expected"),
        (Config, {"seed": True}, "seed: expected int, got True"),
        (Config, {"seed": 1.5}, "seed: expected int, got 1.5"),
        (Config, {"device": None}, "device: expected str, got None"),
        (Config, {"threads": 0}, "threads: expected at least 1, got 0"),
        (EvaluationConfig, {"bins": 1}, "bins: expected at least 2, got 1"),
        (Config, {"stage_1": {"steps": 3}}, "stage_1: expected StageOneConfig"),
    ],
)
def test_bad_values_are_refused(section, values, message):
    with pytest.raises(ConfigError, match=message):
        section(**values)


def test_integers_serve_as_numbers():
    assert StageOneConfig(clip=5).clip == 5
