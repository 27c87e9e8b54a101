"""Trials of rivals in processes of their own."""

from __future__ import annotations

import math
import os

import pytest

from shared.trial import failure


@pytest.mark.parametrize(
    ("work", "arguments", "why"),
    [
        (os.kill, (0, "no number"), "TypeError"),
        (os._exit, (3,), "its process ended with status 3"),
        (os.abort, (), "its process ended by SIGABRT"),
        (math.sqrt, (-1.0,), "ValueError"),
    ],
)
def test_what_fails_or_crashes_is_named_and_ends_nothing_else(work, arguments, why):
    assert why in failure(work, *arguments)


def test_what_works_has_no_failure():
    assert failure(math.sqrt, 4.0) is None
