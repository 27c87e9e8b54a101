"""Lists of jobs on engines that know more machines, here on one."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from reproduce_jobs import SQUARES, add, calls, refuse, single
from twostep_rs.errors import ConfigError
from twostep_rs.reproduce import Computation, Request, Store, reproduce
from twostep_rs.reproduce.engines import Processes, choose
from twostep_rs.reproduce.schedule import run_jobs
from twostep_rs.runs.progress import Silent

PACKAGES = {"ray": "ray", "slurm": "submitit"}
OPTIONS = {"slurm": ["cluster=local", "timeout_min=5"]}

# Of these packages, when they are loaded or end.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def path(monkeypatch):
    """Jobs of Slurm are other programs, which find what the environment says."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "120")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def engine(name, jobs=2):
    pytest.importorskip(PACKAGES[name])
    return choose(name, jobs=jobs, threads=1, options=OPTIONS.get(name, ()))


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_a_list_is_done_there_as_here(store, name):
    parts = tuple(single(f"parts/{k}", k) for k in range(3))
    total = Computation("total", add, {"names": [job.name for job in parts]}, parts)
    bad = Computation("bad", refuse, {"text": "value: expected good, got bad"})
    (failure,) = run_jobs([total, bad], store, engine(name), Silent())
    assert store.document(total) == {"value": 3}
    assert "value 2" in store.log(parts[2]).read_text()
    assert len({(store.path(job) / "calls.txt").read_text().split()[0] for job in parts}) == 3
    assert failure.job.name == "bad"
    assert failure.reason == f"failed; see {store.log(bad)}"
    assert "expected good, got bad" in store.log(bad).read_text()
    assert 10.0 < store.cost(total).peak_memory_mb < 10_000.0

    again = Store(Path(os.path.relpath(store.directory)))
    assert run_jobs([total], again, Processes(1, 1), Silent()) == []
    assert [calls(store, job) for job in parts] == [1, 1, 1]


@pytest.mark.slow
def test_a_worker_of_ray_that_is_killed_costs_the_job_in_flight_alone(store):
    jobs = [single("first", 1), single("second", 2, delay=3.0), single("third", 3)]
    ray = engine("ray", jobs=1)
    begun = store.path(jobs[1]) / "calls.txt"

    def kill():
        until = time.monotonic() + 60.0
        while not (begun.exists() and begun.read_text()) and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(int(begun.read_text().split()[0]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    failures = run_jobs(jobs, store, ray, Silent())
    killer.join()
    assert failures == []
    assert [calls(store, job) for job in jobs] == [1, 2, 1]


@pytest.mark.slow
@pytest.mark.parametrize("name", PACKAGES)
def test_a_target_is_reproduced_by_an_engine(tmp_path, name):
    (outcome,) = reproduce([SQUARES], Request("full", (0, 1)), Store(tmp_path), engine=engine(name))
    assert outcome.seeds == (0, 1)
    assert (outcome.directory / "result.md").exists()


def test_options_that_an_engine_does_not_have_are_refused():
    with pytest.raises(ConfigError, match=r"expected one of \[\], got 'address'"):
        choose("processes", jobs=1, threads=1, options=["address=auto"])
    with pytest.raises(ConfigError, match="expected key=value, got 'auto'"):
        choose("processes", jobs=1, threads=1, options=["auto"])


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'twostep_rs\[ray\]'"):
        choose("ray", jobs=1, threads=1)
