"""Settings of the whole test suite, doctests included."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import HealthCheck, settings

import twostep_rs

if TYPE_CHECKING:
    from collections.abc import Iterator

# dev: a new seed each time, to find what nobody thought of. ci: the same examples each time.
# thorough: by hand, before a release. Choose with HYPOTHESIS_PROFILE.
settings.register_profile("dev", deadline=None, max_examples=50)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=50,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("thorough", deadline=None, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

# Bitwise comparisons need a fixed number, and for the small networks of the tests one is fastest.
torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def cache_of_the_session(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[None]:
    """Solutions that tests share, also between processes, are kept apart from those of the user."""
    base = tmp_path_factory.getbasetemp()
    directory = (base if worker_id == "master" else base.parent) / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWOSTEP_CACHE_DIR", str(directory))
        yield


@pytest.fixture(autouse=True)
def back_to_the_rule() -> Iterator[None]:
    """A number of threads that a test sets, or a worker of a list of jobs, ends with the test."""
    yield
    twostep_rs.set_num_threads(None)
