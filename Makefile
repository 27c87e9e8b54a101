# The two commands are `make demo` and `make test`; `make help` lists the others.
# PYTHON chooses the interpreter of the virtual environment (CPython 3.11 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUST := Cargo.toml Cargo.lock $(shell find rust -name '*.rs' -o -name Cargo.toml)
PYTHON_BENCHES = $(sort $(wildcard benches/python/*.py))
DIST := dist
DEMO := runs/demo

# The environment here, whatever other one is active; PyO3 reads the second when cargo is called
# without maturin.
export VIRTUAL_ENV := $(abspath $(VENV))
export PYO3_PYTHON := $(VIRTUAL_ENV)/bin/python
unexport CONDA_PREFIX

.DELETE_ON_ERROR:
.PHONY: help setup demo test bench bench-smoke lint wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(VENV)/.extension ## make .venv with everything, and build the extension into it

demo: setup ## train and evaluate the laminar Keller-Segel problem at the size of two CPU cores
	$(BIN)/twostep run ks3d-laminar --preset quick --out $(DEMO)

test: setup ## run the Rust and the Python tests
	cargo test --locked
	$(BIN)/python -m pytest -m alone
	$(BIN)/python -m pytest -m 'not alone' --numprocesses auto --maxprocesses 8 --dist loadscope

bench: setup ## measure this machine: kernels in Rust, and the package beside its rivals
	cargo bench --locked
	@for script in $(PYTHON_BENCHES); do echo "== $$script"; $(BIN)/python $$script || exit; done

bench-smoke: setup ## run every bench once at its smallest size, to see that it works
	cargo bench --locked --benches -- --test
	@for script in $(PYTHON_BENCHES); do echo "== $$script"; $(BIN)/python $$script --smoke || exit; done

lint: setup ## check format, lints, types, stubs and the direction of imports
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --no-deps -p twostep-core
	@! cargo tree --locked -p twostep-core -i pyo3 2>/dev/null || { echo "core depends on PyO3"; exit 1; }
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/stubtest twostep_rs._core
	$(BIN)/lint-imports --no-logo

wheel: setup ## build the release wheel into dist/
	$(BIN)/maturin build --release --locked --out $(DIST)

clean: ## remove the environment and everything that was built; runs/ and dist/ stay
	rm -rf $(VENV) target python/twostep_rs/_core*.so

# Each stamp is made anew when what it depends on has changed.
$(VENV)/.made:
	@command -v cargo >/dev/null || { echo "cargo: expected a Rust toolchain, found none; see https://rustup.rs" >&2; exit 1; }
	@command -v "$(PYTHON)" >/dev/null || { echo "PYTHON: expected CPython 3.11 or newer, found no $(PYTHON)" >&2; exit 1; }
	@$(PYTHON) tools/check_python.py
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.packages: pyproject.toml tools/install.sh $(VENV)/.made
	tools/install.sh $(VENV) 'maturin>=1.14,<2'
	tools/install.sh $(VENV) --no-build-isolation --editable '.[test]'
	@touch $@

$(VENV)/.extension: $(RUST) $(VENV)/.packages
	$(BIN)/maturin develop --release --skip-install
	@touch $@
