"""Install a wheel the ways users do, and see that it works: ``check_wheel.py WHEEL``.

Into an empty environment with nothing but its requirements; and, as on servers that bring their
own PyTorch and have no network, with ``--no-deps`` beside another version of PyTorch, on CPython
3.12 where there is one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

IMPORT = """
import sys, time
start = time.perf_counter()
import numpy
numpy_alone = time.perf_counter() - start
import twostep_rs
both = time.perf_counter() - start
third_parties = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
assert third_parties & {"torch", "scipy", "matplotlib", "rich", "tyro"} == set(), third_parties
print(both, numpy_alone)
"""


# The first would find the sources; the second would have them compiled anew in every process.
_NOT_OURS = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


def main(wheel: Path) -> None:
    """Check ``wheel``; raises at the first thing that does not hold."""
    if "-cp311-abi3-" not in wheel.name:
        raise SystemExit(f"wheel: expected a cp311-abi3 wheel, got {wheel.name}")
    subprocess.run([Path(sys.executable).with_name("abi3audit"), "--strict", wheel], check=True)
    with tempfile.TemporaryDirectory() as directory:
        check_alone(wheel, Path(directory, "alone"))
        check_beside_another_torch(wheel, Path(directory, "beside"))


def check_alone(wheel: Path, directory: Path) -> None:
    """The wheel brings NumPy and nothing else, and is imported faster than that."""
    python = environment(directory, sys.executable)
    install(directory, str(wheel))
    listed = output(python, "-m", "pip", "list", "--format=freeze").split()
    names = {line.partition("==")[0] for line in listed} - {"pip", "setuptools", "uv"}
    if {name.replace("-", "_") for name in names} != {"numpy", "twostep_rs"}:
        raise SystemExit(f"wheel: expected to bring numpy only, got {sorted(names)}")
    # A share of what NumPy takes beside it: seconds alone would tell how fast the machine is.
    runs = [output(python, "-c", IMPORT).split() for _ in range(5)]
    both, numpy_alone = min(tuple(map(float, seconds)) for seconds in runs)
    if both > 2 * numpy_alone:
        raise SystemExit(
            f"import: expected to add less than NumPy takes, {numpy_alone:.3f} s, got "
            f"{both - numpy_alone:.3f} s"
        )
    print(f"alone: needs numpy only, imports in {both:.3f} s, of which NumPy {numpy_alone:.3f} s")


def check_beside_another_torch(wheel: Path, directory: Path) -> None:
    """The wheel works on a newer CPython beside the oldest PyTorch that is promised."""
    interpreter = cpython_312()
    if interpreter is None:
        interpreter = sys.executable
        print("no CPython 3.12 found: using the one at hand")
    python = environment(directory, interpreter)
    oldest = torch_floor()
    try:
        install(directory, f"torch=={oldest}.*", "numpy", "safetensors")
    except subprocess.CalledProcessError:
        print(f"torch {oldest} is not available here: using any but the one at hand")
        install(directory, f"torch!={metadata.version('torch')}", "numpy", "safetensors")
    install(directory, "--no-deps", str(wheel))
    print("beside another torch:", output(python, str(ROOT / "tools/wheel_smoke.py")).strip())


def environment(directory: Path, interpreter: str) -> Path:
    """The interpreter of a new virtual environment."""
    subprocess.run([interpreter, "-m", "venv", directory], check=True)
    return directory / "bin/python"


def install(directory: Path, *what: str) -> None:
    """``pip install`` into an environment."""
    subprocess.run([ROOT / "tools/install.sh", directory, *what], check=True)


def output(python: Path, *arguments: str) -> str:
    """What an interpreter prints, in a directory where the sources are not importable."""
    completed = subprocess.run(
        [python, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=python.parents[1],
        env={name: value for name, value in os.environ.items() if name not in _NOT_OURS},
    )
    return completed.stdout


def cpython_312() -> str | None:
    """A CPython 3.12 that runs, from the path or from pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which("python3.12"), *sorted(pyenv.glob("versions/3.12.*/bin/python"))]
    for candidate in filter(None, candidates):
        # A shim may stand in the path without an interpreter behind it.
        if subprocess.run([candidate, "-c", "import venv"], capture_output=True).returncode == 0:
            return str(candidate)
    return None


def torch_floor() -> str:
    """The oldest version that the extra ``torch`` allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = " ".join(project["optional-dependencies"]["torch"])
    match = re.search(r"\btorch>=([\d.]+)", requirements)
    if match is None:
        raise SystemExit(f"pyproject.toml: expected a floor of torch, got {requirements}")
    return match[1]


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
