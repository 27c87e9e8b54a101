"""Runs that take clouds and stage I over from another."""

from __future__ import annotations

import dataclasses

import pytest
from safetensors.torch import load_file

from twostep_rs import experiments
from twostep_rs.config import SimulationConfig, StageOneConfig, StageTwoConfig
from twostep_rs.errors import FileFormatError, RunDirectoryError
from twostep_rs.reproduce import RunJob, Store
from twostep_rs.reproduce.engines import Processes
from twostep_rs.reproduce.schedule import run_jobs
from twostep_rs.runs import RunDirectory, run
from twostep_rs.runs.metrics import read_metrics
from twostep_rs.runs.progress import Silent

EXPERIMENT = experiments.get("ks3d-laminar")
TRAIN = ("simulate", "stage_1", "stage_2")
CONFIG = dataclasses.replace(
    EXPERIMENT.config("quick"),
    threads=1,
    simulation=SimulationConfig(parameters=(20.0, 150.0), particles=200),
    stage_1=StageOneConfig(steps=20, batch=64, width=16, depth=2, waves=0),
    stage_2=StageTwoConfig(steps=20, batch=50, width=16, depth=2, waves=0),
)
OTHER = dataclasses.replace(CONFIG, stage_2=dataclasses.replace(CONFIG.stage_2, batch=60))


@pytest.fixture(scope="module")
def donor(tmp_path_factory):
    return run(EXPERIMENT, CONFIG, tmp_path_factory.mktemp("donor") / "run", only=TRAIN)


def weights(path):
    found = load_file(path / "weights.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in found.items()}


def test_a_run_with_an_adopted_stage_1_ends_as_one_that_trains_it(donor, tmp_path):
    alone = run(EXPERIMENT, OTHER, tmp_path / "alone", only=TRAIN)
    adopted = run(EXPERIMENT, OTHER, tmp_path / "adopted", only=TRAIN, stage_1_of=donor.path)
    assert weights(adopted.path) == weights(alone.path) != weights(donor.path)
    its, mine = donor.status().done, adopted.status().done
    assert [mine[step] for step in ("simulate", "stage_1")] == [its["simulate"], its["stage_1"]]
    rows = read_metrics(adopted.metrics)
    assert [row for row in rows if row["stage"] == 1] == [
        row for row in read_metrics(donor.metrics) if row["stage"] == 1
    ]
    assert [row["step"] for row in rows if row["stage"] == 2] == list(range(1, 21))
    # Once more changes nothing.
    before = (adopted.path / "status.json").read_bytes()
    run(EXPERIMENT, OTHER, tmp_path / "adopted", only=TRAIN, stage_1_of=donor.path)
    assert (adopted.path / "status.json").read_bytes() == before


def test_a_stage_1_that_is_another_is_refused(donor, tmp_path):
    stage_1 = dataclasses.replace(CONFIG.stage_1, width=8)
    for number, config in enumerate(
        (dataclasses.replace(CONFIG, seed=1), dataclasses.replace(CONFIG, stage_1=stage_1))
    ):
        with pytest.raises(RunDirectoryError, match=r"(seed: expected 1|width: expected 8)"):
            run(EXPERIMENT, config, tmp_path / str(number), stage_1_of=donor.path)


def test_a_donor_that_is_not_trained_or_damaged_is_refused(donor, tmp_path):
    begun = run(EXPERIMENT, CONFIG, tmp_path / "begun", only=("simulate",))
    with pytest.raises(RunDirectoryError, match="a trained stage I, got none"):
        run(EXPERIMENT, OTHER, tmp_path / "run", stage_1_of=begun.path)
    begun.finish("stage_1", 1.0)
    with pytest.raises(FileFormatError, match=r"stage_1\.pt: expected a file"):
        run(EXPERIMENT, OTHER, tmp_path / "run", stage_1_of=begun.path)
    with pytest.raises(FileFormatError, match="expected the file of a run"):
        run(EXPERIMENT, OTHER, tmp_path / "run", stage_1_of=tmp_path / "nothing")


def test_jobs_hand_their_stage_1_on(tmp_path, donor):
    store = Store(tmp_path)
    first = RunJob("first", CONFIG, TRAIN)
    second = RunJob("second", OTHER, TRAIN, stage_1_of=first)
    assert run_jobs([second], store, Processes(1, 1), Silent()) == []
    assert weights(store.path(first)) == weights(donor.path)
    status = RunDirectory.open(store.path(second)).status()
    assert set(status.done) == {"simulate", "stage_1", "stage_2", "couplings"}
    assert "train stage I ..." not in store.log(second).read_text()
    assert "train stage II ..." in store.log(second).read_text()
