"""Lists of jobs: order, sharing, failure, kills."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from reproduce_jobs import add, calls, note, refuse, single, vanish
from twostep_rs.errors import ConfigError, RunDirectoryError
from twostep_rs.reproduce import Computation, Store
from twostep_rs.reproduce.engines import Processes
from twostep_rs.reproduce.schedule import in_order, run_jobs
from twostep_rs.runs.progress import Silent

TESTS = Path(__file__).parents[1]


def do(jobs, store, workers=2):
    return run_jobs(jobs, store, Processes(workers, 1), Silent())


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_jobs_are_done_once_and_after_what_they_need(store):
    parts = tuple(single(f"parts/{k}", k) for k in range(3))
    total = Computation("total", add, {"names": [job.name for job in parts]}, parts)
    assert list(in_order([total])) == ["parts/0", "parts/1", "parts/2", "total"]
    assert do([total, parts[0]], store) == []
    assert store.document(total) == {"value": 3}
    assert do([total], store) == []
    assert [calls(store, job) for job in parts] == [1, 1, 1]
    assert "value 2" in store.log(parts[2]).read_text()
    cost = store.cost(total)
    assert cost.seconds > 0.0
    assert 10.0 < cost.peak_memory_mb < 10_000.0
    assert cost.peak_gpu_memory_mb == 0.0


@pytest.mark.alone
def test_jobs_run_side_by_side(store):
    jobs = [single(f"sleep-{k}", k, delay=1.0) for k in range(3)]
    do(jobs, store, workers=3)
    begun = [float((store.path(job) / "calls.txt").read_text().split()[1]) for job in jobs]
    processes = {(store.path(job) / "calls.txt").read_text().split()[0] for job in jobs}
    assert max(begun) - min(begun) < 1.0
    assert len(processes) == 3


def test_what_fails_costs_those_that_need_it_alone(store):
    bad = Computation("bad", refuse, {"text": "value: expected good, got bad"})
    killed = Computation("killed", vanish)
    after = Computation("after", note, {"value": 1}, (bad,))
    good = single("good", 5)
    failures = {f.job.name: f.reason for f in do([bad, killed, after, good], store)}
    assert set(failures) == {"bad", "killed", "after"}
    assert str(store.log(bad)) in failures["bad"]
    assert "error: value: expected good, got bad" in store.log(bad).read_text()
    assert "killed by signal 9" in failures["killed"]
    assert failures["after"] == "needs bad"
    assert store.finished(good)
    assert not any(store.finished(job) for job in (bad, killed, after))


def test_two_jobs_of_one_name_are_refused(store):
    with pytest.raises(ConfigError, match="two of 'same'"):
        do([single("same", 1), single("same", 2)], store)
    do([single("same", 1)], store)
    with pytest.raises(RunDirectoryError, match=r"arguments\.value was 1, not 2"):
        do([single("same", 2)], store)


def test_jobs_that_need_each_other_are_refused():
    one = Computation("one", note, {}, (needed := [],))
    needed.append(one)
    object.__setattr__(one, "needs", (Computation("two", note, {}, (one,)),))
    with pytest.raises(ConfigError, match="one needs two needs one"):
        in_order([one])


@pytest.mark.parametrize("name", ["../outside", "/absolute", "", "a//b", "a b"])
def test_names_that_are_no_relative_paths_are_refused(store, name):
    with pytest.raises(RunDirectoryError, match="relative path"):
        store.path(single(name, 1))


def test_a_damaged_record_is_named(store):
    job = single("job", 1)
    do([job], store)
    record = store.directory / "done" / "job.json"
    record.write_text(json.dumps({"job": 3}))
    with pytest.raises(ValueError, match=r"job\.json: job: expected dict"):
        do([job], store)


LIST = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from reproduce_jobs import single
from twostep_rs.reproduce import Store
from twostep_rs.reproduce.engines import Processes
from twostep_rs.reproduce.schedule import run_jobs
from twostep_rs.runs.progress import Silent

if __name__ == "__main__":
    jobs = [single("first", 1), single("second", 2, delay=1.0), single("third", 3)]
    run_jobs(jobs, Store(Path(sys.argv[1])), Processes(1, 1), Silent())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_kill_costs_the_job_in_flight_at_most(tmp_path, store, number):
    script = tmp_path / "list.py"
    script.write_text(LIST)
    words = [sys.executable, str(script), str(store.directory), str(TESTS)]
    jobs = [single("first", 1), single("second", 2, delay=1.0), single("third", 3)]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        begun = store.path(jobs[1]) / "calls.txt"
        while not (begun.exists() and begun.read_text()):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
        process.wait(15.0)
    worker = int(begun.read_text().split()[0])
    until = time.monotonic() + 5.0
    while Path(f"/proc/{worker}").exists() and "Z" not in _state(worker):
        assert time.monotonic() < until, "a job outlives its list"
        time.sleep(0.01)
    assert [store.finished(job) for job in jobs] == [True, False, False]

    assert do(jobs, store) == []
    assert [calls(store, job) for job in jobs] == [1, 2, 1]


def _state(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "Z"
