"""Evaluations that are killed: what their log keeps, and what it is never used for."""

from __future__ import annotations

import dataclasses
import json
import threading

import pytest

import twostep_rs.runs.solver as solver
from gaussian_system import GaussianSystem, exact
from twostep_rs.config import EvaluationConfig
from twostep_rs.runs.distance_log import DistanceLog, Key
from twostep_rs.runs.evaluation import evaluate, measure_floor
from twostep_rs.runs.fingerprint import fingerprint

CONFIG = EvaluationConfig(
    parameters=(1.0, 3.0),
    particles=60,
    references=3,
    floor_pairs=4,
    bins=6,
    subsample=20,
    metrics=("exact", "histogram", "subsample_paired"),
)
STAGES = {1: lambda source, parameter: exact(source, parameter) + 0.3, 2: exact}
KEY = Key("exact", None, 1.0, "floor", None, 0)
FLOORS, SCORES = 2 * 4 * 4, 2 * 4 * 2 * 3
PARTICLES = 2 * 4 * 3


class Simulator(GaussianSystem):
    """Whose clouds are not those of the law."""

    def simulate(self, parameter, n, seed, source=None):
        return super().simulate(parameter + 0.1, n, seed, source)


class Concurrent(Simulator):
    """Whose clouds are drawn by several threads."""

    concurrent = True

    def __init__(self):
        super().__init__()
        self.threads = set()

    def simulate(self, parameter, n, seed, source=None, threads=None, progress=None):
        self.threads.add(threading.get_ident())
        return super().simulate(parameter, n, seed, source)


@pytest.fixture
def log(tmp_path):
    return DistanceLog(tmp_path / "distances.jsonl", "floor", "scores")


@pytest.fixture
def counted(monkeypatch):
    """Counts the distances that are computed, and fails after some of them."""
    calls = Calls()
    distance = solver.distance

    def count(*arguments):
        if len(calls) == calls.most:
            raise KillError
        calls.append(arguments)
        return distance(*arguments)

    monkeypatch.setattr(solver, "distance", count)
    return calls


class Calls(list):
    most = None


class KillError(Exception):
    """Stands for a kill."""


def evaluated(log, stages=STAGES, config=CONFIG, system=None, **options):
    system = GaussianSystem() if system is None else system
    options = {"training_parameters": (1.0,), "seed": 3, "particles": Simulator(), **options}
    return evaluate(stages, system, config, log=log, threads=1, **options)


@pytest.mark.parametrize("most", [0, 1, 7, FLOORS + PARTICLES, 100])
def test_a_killed_evaluation_goes_on_and_ends_with_the_same_bits(log, counted, most):
    whole = evaluated(None).rows
    assert len(counted) == FLOORS + PARTICLES + SCORES
    counted.clear()
    counted.most = most
    with pytest.raises(KillError):
        evaluated(log)
    counted.most = None
    assert evaluated(log).rows == whole
    assert len(counted) == FLOORS + PARTICLES + SCORES
    counted.clear()
    assert evaluated(log).rows == whole
    assert not counted


def test_clouds_of_known_distances_are_not_drawn_again(log):
    evaluated(log)
    system, particles = GaussianSystem(), Simulator()
    calls = []
    evaluated(
        log,
        system=system,
        particles=particles,
        progress=lambda done, total: calls.append((done, total)),
    )
    # The references that stages are compared with, and a source of the cloud that is shown.
    assert [kind for kind, _ in system.seeds].count("simulate") == 2 * 3
    assert [kind for kind, _ in system.seeds].count("prior") == 2
    assert not particles.seeds
    assert calls[-1][0] == calls[-1][1]
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


@pytest.mark.parametrize("most", [1, 30, 1000])
def test_threads_draw_the_clouds_that_one_draws(log, counted, most):
    config = dataclasses.replace(CONFIG, parameters=(1.0, 3.0, 4.0, 5.0, 7.0, 8.0))
    system, calls = Concurrent(), []
    whole = evaluated(None, system=Simulator(), config=config)
    counted.clear()
    counted.most = most
    try:
        evaluated(log, system=system, config=config)
    except KillError:
        counted.most = None
    found = evaluated(
        log,
        system=system,
        config=config,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert found.rows == whole.rows
    assert len(system.threads) > 1
    assert calls[-1][0] == calls[-1][1]


def test_an_error_of_a_thread_that_draws_is_seen():
    class Broken(Concurrent):
        def simulate(self, parameter, n, seed, *rest, **options):
            if threading.current_thread() is not threading.main_thread():
                raise KillError
            return super().simulate(parameter, n, seed)

    with pytest.raises(KillError):
        evaluated(None, system=Broken())


def test_other_weights_are_measured_anew_beside_the_same_floor(log, counted):
    evaluated(log)
    other = {1: exact, 2: exact}
    counted.clear()
    found = evaluated(dataclasses.replace(log, scores="other"), other)
    assert len(counted) == SCORES
    assert found.rows == evaluated(None, other).rows


def test_a_log_of_another_evaluation_is_not_used(log, counted):
    evaluated(log)
    config = dataclasses.replace(CONFIG, particles=50)
    counted.clear()
    found = evaluated(DistanceLog(log.path, "another", "other"), config=config)
    assert len(counted) == FLOORS + PARTICLES + SCORES
    assert found.rows == evaluated(None, config=config).rows


def test_the_floor_that_another_process_measured_is_used_where_it_was_killed(log, counted):
    counted.most = 9
    ahead = DistanceLog(log.path, "floor")
    with pytest.raises(KillError):
        measure_floor(GaussianSystem(), CONFIG, seed=3, particles=Simulator(), log=ahead, threads=1)
    counted.most = None
    counted.clear()
    found = evaluated(log)
    assert len(counted) == FLOORS + PARTICLES + SCORES - 9
    assert found.rows == evaluated(None).rows


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_torn_last_line_is_passed_over(log, cut):
    log.append(KEY, 0.1)
    second = dataclasses.replace(KEY, pair=1)
    log.append(second, 1 / 3)
    assert log.read() == {KEY: 0.1, second: 1 / 3}
    log.path.write_bytes(log.path.read_bytes()[:-cut])
    assert log.read() == {KEY: 0.1}
    log.append(second, 2 / 3)
    assert log.read() == {KEY: 0.1, second: 2 / 3}


@pytest.mark.parametrize(
    "change",
    [
        {"w2_squared": float("nan")},
        {"w2_squared": "0.1"},
        {"of": None},
        {"of": "another"},
        {"unknown": 1},
        {"metric": ["exact"]},
    ],
)
def test_a_line_that_says_something_else_is_passed_over(log, change):
    log.append(KEY, 0.1)
    values = json.loads(log.path.read_text())
    log.path.write_text(json.dumps(values | change))
    assert log.read() == {}
    log.path.write_text("[]\n3\n\x00\n" + json.dumps(values))
    assert log.read() == {KEY: 0.1}


def test_fingerprints_differ_where_a_part_does():
    found = fingerprint("kpp3d", {"bins": 72})
    assert found == fingerprint("kpp3d", {"bins": 72})
    assert found != fingerprint("kpp3d", {"bins": 73})
    assert found != fingerprint("kpp3d")


def test_a_log_that_is_not_there_is_empty_and_can_be_removed(log):
    assert log.read() == {}
    log.remove()
    log.append(KEY, 0.1)
    log.remove()
    assert not log.path.exists()
