"""The evaluation, on laws whose distance is known."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

import twostep_rs as ts
from gaussian_system import GaussianSystem, exact
from twostep_rs._seeds import LARGEST_SEED, Purpose, cloud_seed
from twostep_rs.config import EvaluationConfig
from twostep_rs.errors import ConfigError, FileFormatError, InputError
from twostep_rs.runs.evaluation import Row, evaluate, measure_floor
from twostep_rs.runs.evaluation_file import read_evaluation, write_evaluation

SHIFT = 0.3
SMALL = EvaluationConfig(parameters=(1.0, 3.0), particles=400, references=6, floor_pairs=8, bins=12)
STAGES = {1: lambda source, parameter: exact(source, parameter) + np.array([0.0, SHIFT]), 2: exact}


@pytest.fixture(scope="module")
def found():
    return evaluate(STAGES, GaussianSystem(), SMALL, training_parameters=(0.5, 2.0), seed=3)


def test_the_true_law_is_at_the_floor(found):
    """False alarms: with t of 5 degrees of freedom, 6 rows, below 2 % in all; one fixed seed."""
    for row in found.rows:
        if row.stage == 2:
            assert abs(row.ratio - 1.0) < 5.0 * row.ratio_standard_error
            assert row.ratio_standard_error < 0.2


def test_a_shifted_law_is_off_by_its_shift_squared(found):
    for row in found.rows:
        if row.stage == 1:
            error = math.hypot(row.standard_error, row.floor_standard_error)
            # Histograms and clouds of finite size blur a shift a little, in either direction.
            assert abs(row.w2_squared - row.floor - SHIFT**2) < 5.0 * error + 0.02


def test_there_is_a_row_for_everything(found):
    kinds = {(row.stage, row.parameter, row.metric, row.box) for row in found.rows}
    assert len(kinds) == len(found.rows) == 2 * 2 * 3
    assert {(row.metric, row.box) for row in found.rows} == {
        ("histogram", "reference"),
        ("histogram", "joint"),
        ("exact", None),
    }
    for row in found.rows:
        assert row.training_range is (row.parameter == 1.0)
        assert (row.seed, row.n, row.method) == (3, 400, "two-step")
        assert row.standard_error > 0
        assert row.floor_standard_error > 0


def test_means_and_errors_are_those_of_the_definition():
    system = GaussianSystem()
    config = dataclasses.replace(SMALL, parameters=(2.0,), metrics=("exact",), floor_pairs=3)
    (row,) = evaluate({2: exact}, system, config, training_parameters=()).rows
    clouds = [
        system.simulate(2.0, 400, cloud_seed(0, Purpose.REFERENCE, k)).target for k in range(6)
    ]
    floors = [ts.ot.emd(clouds[k], clouds[k + 1]).cost for k in (0, 2, 4)]
    scores = [
        ts.ot.emd(exact(system.prior(400, cloud_seed(0, Purpose.SOURCE, k)), 2.0), clouds[k]).cost
        for k in range(6)
    ]
    assert row.floor == pytest.approx(np.mean(floors), rel=1e-12)
    assert row.floor_standard_error == pytest.approx(np.std(floors, ddof=1) / 3**0.5, rel=1e-12)
    assert row.w2_squared == pytest.approx(np.mean(scores), rel=1e-12)
    assert row.standard_error == pytest.approx(np.std(scores, ddof=1) / 6**0.5, rel=1e-12)
    assert row.training_range is False


def test_no_cloud_is_drawn_twice_or_with_a_seed_of_training():
    system = GaussianSystem()
    evaluate(STAGES, system, SMALL, training_parameters=(1.0,), seed=5)
    seeds = [seed for _, seed in system.seeds]
    # 16 references and 6 sources at each of two parameters, the sources shared by both stages
    assert len(seeds) == len(set(seeds)) == 2 * (16 + 6)
    assert min(seeds) >= 2**63
    assert cloud_seed(5, Purpose.TRAINING) not in seeds


def test_seeds_of_runs_and_purposes_never_meet():
    seeds = [
        cloud_seed(seed, purpose, index)
        for seed in (0, 1, 2, LARGEST_SEED)
        for purpose in Purpose
        for index in (0, 1, 2**28 - 1)
    ]
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) >= 2**63
    assert max(seeds) < 2**64
    with pytest.raises(InputError, match="seed: expected an integer from 0 to 4294967295"):
        cloud_seed(LARGEST_SEED + 1, Purpose.SOURCE)


def test_figures_are_the_same_for_any_number_of_threads(found):
    again = evaluate(
        STAGES, GaussianSystem(), SMALL, training_parameters=(0.5, 2.0), seed=3, threads=3
    )
    assert again.rows == found.rows


def test_a_floor_that_was_measured_ahead_changes_nothing(found):
    yardstick = measure_floor(GaussianSystem(), SMALL, seed=3)
    calls = []
    again = evaluate(
        STAGES,
        GaussianSystem(),
        SMALL,
        training_parameters=(0.5, 2.0),
        seed=3,
        progress=lambda done, total: calls.append((done, total)),
        yardstick=yardstick,
    )
    assert again.rows == found.rows
    assert calls[-1] == (72, 72)  # 2 parameters, 3 metrics, 2 stages, 6 references


def test_references_of_the_floor_share_no_source():
    ks = ts.systems.KellerSegel()
    a, b = (ks.simulate(20.0, 50, cloud_seed(0, Purpose.REFERENCE, k)).source for k in (0, 1))
    assert not np.isclose(a, b).any()


def test_progress_ends_where_it_said():
    calls = []
    evaluate(
        STAGES,
        GaussianSystem(),
        SMALL,
        training_parameters=(),
        progress=lambda done, total: calls.append((done, total)),
    )
    # per parameter 16 simulations and, for each of three metrics, 8 + 2 * 6 distances
    assert calls[-1] == (152, 152)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_subsamples_are_independent_or_paired_with_a_floor_of_their_own():
    """By hand, for one stage and one parameter."""

    class Noisy(GaussianSystem):
        def simulate(self, parameter, n, seed, source=None):
            cloud = super().simulate(parameter, n, seed, source)
            noise = np.random.default_rng([seed, 2]).normal(scale=0.1, size=(n, self.dim))
            return ts.systems.Cloud(cloud.source, cloud.target + noise, paired=True)

    system = Noisy()
    config = dataclasses.replace(
        SMALL,
        parameters=(2.0,),
        references=2,
        floor_pairs=2,
        subsample=50,
        metrics=("subsample_independent", "subsample_paired"),
    )

    def stage(source, parameter):
        return exact(source, parameter) + 0.1

    independent, paired = evaluate({2: stage}, system, config, training_parameters=()).rows
    assert independent.n == paired.n == 50
    clouds = [system.simulate(2.0, 400, cloud_seed(0, Purpose.REFERENCE, k)) for k in range(4)]
    again = [
        system.simulate(2.0, 400, cloud_seed(0, Purpose.REFERENCE, 4 + k), clouds[k].source)
        for k in range(2)
    ]
    fresh = [system.prior(400, cloud_seed(0, Purpose.SOURCE, k)) for k in range(2)]
    rows = np.random.default_rng(50).choice(400, 50, replace=False)

    def mean(pairs):
        return np.mean([ts.ot.emd(x[rows], y[rows]).cost for x, y in pairs])

    targets = [cloud.target for cloud in clouds]
    assert independent.w2_squared == pytest.approx(
        mean([(stage(fresh[k], 2.0), targets[k]) for k in range(2)]), rel=1e-12
    )
    assert independent.floor == pytest.approx(
        mean([(targets[0], targets[1]), (targets[2], targets[3])]), rel=1e-12
    )
    assert paired.w2_squared == pytest.approx(
        mean([(stage(clouds[k].source, 2.0), targets[k]) for k in range(2)]), rel=1e-12
    )
    assert paired.floor == pytest.approx(
        mean([(targets[k], again[k].target) for k in range(2)]), rel=1e-12
    )
    assert 0.0 < paired.floor < independent.floor


def test_subsamples_that_clouds_cannot_give_are_refused():
    with pytest.raises(ConfigError, match="subsample: expected at most particles = 400, got 2000"):
        dataclasses.replace(SMALL, metrics=("subsample_paired",))


def test_pairs_are_refused_where_there_are_none():
    class Unpaired(GaussianSystem):
        def simulate(self, parameter, n, seed, source=None):
            cloud = super().simulate(parameter, n, seed, source)
            return ts.systems.Cloud(cloud.source, cloud.target, paired=False)

    config = dataclasses.replace(SMALL, subsample=50, metrics=("subsample_paired",))
    with pytest.raises(ConfigError, match="expected no 'subsample_paired'"):
        evaluate(STAGES, Unpaired(), config, training_parameters=())


def test_a_torus_has_no_box():
    system = GaussianSystem(domain=ts.systems.Domain(period=(20.0, 20.0)))

    def wrapped(source, parameter):
        # Far round the torus and back: only a periodic distance sees no difference.
        return exact(source, parameter) + 40.0

    config = dataclasses.replace(SMALL, parameters=(10.0,), bins=40)
    rows = evaluate({2: wrapped}, system, config, training_parameters=()).rows
    assert [(row.metric, row.box) for row in rows] == [("histogram", None), ("exact", None)]
    for row in rows:
        assert abs(row.ratio - 1.0) < 5.0 * row.ratio_standard_error


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        (lambda source, parameter: source[:, :1], "expected"),
        (lambda source, parameter: np.full_like(source, np.nan), "finite"),
    ],
)
def test_a_stage_that_returns_nonsense_is_an_error(stage, message):
    with pytest.raises(InputError, match=message):
        evaluate({1: stage}, GaussianSystem(), SMALL, training_parameters=())


def test_an_evaluation_without_parameters_is_an_error():
    with pytest.raises(ConfigError, match=r"evaluation\.parameters: expected at least one"):
        evaluate(STAGES, GaussianSystem(), EvaluationConfig(), training_parameters=())


def test_rows_are_written_as_promised_and_read_back(found, tmp_path):
    path = tmp_path / "evaluation.json"
    write_evaluation(path, found.rows, {"simulate": 1.5, "stage_1": 2, "evaluate": 0.25})
    document = json.loads(path.read_text())
    assert set(document) == {"rows", "seconds"}
    for row in document["rows"]:
        assert list(row) == [
            "method",
            "stage",
            "parameter",
            "training_range",
            "seed",
            "metric",
            "box",
            "w2_squared",
            "standard_error",
            "floor",
            "floor_standard_error",
            "n",
        ]
    rows, seconds = read_evaluation(path)
    assert rows == found.rows
    assert seconds == {"simulate": 1.5, "stage_1": 2.0, "evaluate": 0.25}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w2_squared": "small"}, "w2_squared: expected int or float, got 'small'"),
        ({"floor": None}, "floor: expected int or float, got None"),
        ({"stage": True}, "stage: expected int, got True"),
        ({"standard_error": math.nan}, r"rows\[0\].standard_error: expected a finite number"),
        ({"floor": 0.0}, r"rows\[0\].floor, w2_squared: expected positive numbers"),
    ],
)
def test_a_row_that_does_not_fit_is_named(tmp_path, change, message):
    row = Row("two-step", 1, 20.0, True, 0, "exact", None, 0.1, 0.01, 0.1, 0.01, 10)
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({"rows": [dataclasses.asdict(row) | change], "seconds": {}}))
    with pytest.raises(FileFormatError, match=f"evaluation.json: {message}"):
        read_evaluation(path)


def test_ratio_and_its_error_propagate():
    row = Row("two-step", 1, 20.0, True, 0, "exact", None, 0.3, 0.03, 0.1, 0.02, 10)
    assert row.ratio == pytest.approx(3.0)
    assert row.ratio_standard_error == pytest.approx(3.0 * math.hypot(0.1, 0.2))
