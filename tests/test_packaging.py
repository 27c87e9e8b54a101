"""The package as an installed thing: version, import cost, documentation, debug builds."""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import twostep_rs

ROOT = Path(__file__).parents[1]


def run_python(code: str) -> str:
    """What a fresh interpreter prints when it runs ``code``."""
    completed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    return completed.stdout


def test_the_version_is_the_same_everywhere():
    cargo = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert twostep_rs.__version__ == cargo
    assert importlib.metadata.version("twostep_rs") == cargo
    assert f"version: {cargo}" in (ROOT / "CITATION.cff").read_text().splitlines()
    assert f"## [{cargo}]" in (ROOT / "CHANGELOG.md").read_text()


def test_import_loads_numpy_and_nothing_heavier():
    code = """
import json, sys
before = set(sys.modules)
import twostep_rs
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(roots - set(sys.stdlib_module_names))))
"""
    assert set(json.loads(run_python(code))) <= {"numpy", "twostep_rs"}


def test_import_adds_little_to_the_import_of_numpy():
    # What is loaded, not how fast: these take about as long as all the rest; few calls need them.
    code = """
import json, sys
import numpy
before = set(sys.modules)
import twostep_rs
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    costly = {"concurrent.futures", "decimal", "difflib", "logging", "pathlib", "urllib.parse"}
    assert costly & set(json.loads(run_python(code))) == set()


def public_objects():
    for name in twostep_rs.__all__:
        value = getattr(twostep_rs, name)
        yield name, value
        if inspect.ismodule(value):
            for inner in getattr(value, "__all__", []):
                yield f"{name}.{inner}", getattr(value, inner)


@pytest.mark.parametrize(("name", "value"), [pytest.param(*p, id=p[0]) for p in public_objects()])
def test_public_names_have_docstrings(name, value):
    if inspect.ismodule(value) or callable(value):
        assert inspect.getdoc(value), f"{name} has no docstring"


def test_a_debug_build_says_so_once():
    code = """
import importlib, warnings
import twostep_rs._core as core
core.build_info = lambda: {"version": "0", "profile": "debug"}
import twostep_rs
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    importlib.reload(twostep_rs)
    import twostep_rs.threads
print(*(f"{warning.category.__name__}: {warning.message}" for warning in caught), sep="\\n")
"""
    lines = run_python(code).splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("RuntimeWarning: twostep_rs: this is a debug build")


def test_the_build_under_test_is_a_release_build():
    info = twostep_rs.build_info()
    assert info["profile"] == "release"
    assert {"version", "profile", "target", "simd"} <= set(info)
