# Everything runs in .venv, which is made on the first call and again when pyproject.toml changes.

PYTHON ?= python3
PG ?= 18
ARGS ?=
MINUTES ?= 3
SEED ?=

SHELL := /bin/sh
MAKEFLAGS += --no-builtin-rules
# Hundreds of processes are started by the tests: none may compile anew what one of them did.
unexport PYTHONDONTWRITEBYTECODE
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Tests of one module mostly share nothing slow: let idle workers steal.
PYTEST := $(BIN)/pytest --dist worksteal
# What `make test` runs waits half of its time: for processes, connections and clocks. The long tests don't.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)

.PHONY: help
help:  ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  PG=18|16|15      the PostgreSQL of the tests; 15 is Debian's (default 18)"
	@echo "  ARGS='…'         further arguments of pgcron demo, of pytest, of the mutations or of the benchmarks"
	@echo "  WORKERS=4        processes of make test (default: two more than there are processors)"
	@echo "  PEERS=1          of make bench: installs other schedulers into .bench/ and measures them too"
	@echo "  MINUTES=3 SEED=7 of make chaos: how long, and which storm (default: 3, any)"
	@echo "  PYTHON=python3   the Python to make .venv with, 3.11 or newer"

.PHONY: demo
demo: $(READY)  ## Start PostgreSQL, workers and the admin, with jobs to look at
	@$(BIN)/pgcron demo $(ARGS)

.PHONY: test
test: $(READY)  ## Run the tests, but for the long ones
	PGCRON_TEST_PG=$(PG) $(PYTEST) -n $(WORKERS) $(or $(ARGS),-m "not long")

.PHONY: long
long: $(READY)  ## Run the long tests: faults on real workers, most of the browser's, serving, deliveries, distributions
	PGCRON_TEST_PG=$(PG) $(PYTEST) -n logical -m long $(ARGS)

.PHONY: mutation
mutation: $(READY)  ## Remove the guards one by one, and see that tests notice
	PGCRON_TEST_PG=$(PG) $(BIN)/python tests/mutation/mutate.py $(ARGS)

.PHONY: chaos
chaos: $(READY)  ## Run a fleet through a storm of faults that a seed draws
	PYTHONPATH=tests $(BIN)/python -m chaos.storm --minutes $(MINUTES) $(if $(SEED),--seed $(SEED)) $(ARGS)

.PHONY: check
check: check-format check-lint check-types check-layers  ## Check format, lint, types and layers (not the tests)

.PHONY: check-format check-lint check-types check-layers
check-format: $(READY)
	$(BIN)/ruff format --check .
check-lint: $(READY)
	$(BIN)/ruff check .
check-types: $(READY)
	$(BIN)/mypy
check-layers: $(READY)
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(READY)  ## Format, and fix what the linter can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: proof
proof: $(READY)  ## Run everything at full length (hours, by hand): mutations, an hour of chaos, benchmarks too
	PGCRON_PROOF=1 PGCRON_TEST_PG=$(PG) $(PYTEST) -n logical --timeout=0 $(ARGS)
	$(MAKE) mutation ARGS=
	$(MAKE) chaos MINUTES=60 ARGS=
	$(MAKE) bench ARGS=
	@for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit; done

.PHONY: bench
bench: $(READY)  ## Run the benchmarks, PEERS=1 with other systems beside; ARGS=--quick for minutes
	PYTHONPATH=benchmarks $(BIN)/python -m suite $(if $(PEERS),--peers) $(ARGS)

.PHONY: assets
assets: $(READY)  ## Build the web admin's CSS and JavaScript, when their sources changed
	@$(BIN)/python hatch_build.py

.PHONY: screenshots
screenshots: $(READY) assets  ## Make the pictures of the README and the docs; ARGS='--all DIR' one of each screen
	$(BIN)/python tests/screens/screenshots.py $(ARGS)

.PHONY: clean
clean:  ## Remove .venv and what the tools left behind; the demo's data in .pgcron stays
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@command -v "$(PYTHON)" > /dev/null || { \
	  echo "There is no $(PYTHON). Install Python 3.11 or newer, or say where it is: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) is $$("$(PYTHON)" -V 2>&1)." \
	       "Say where a newer one is: make PYTHON=python3.13" >&2; exit 1; }
	@if command -v uv > /dev/null; then \
	  set -ex; \
	  $(BIN)/python -c '' 2> /dev/null || uv venv --seed --clear --python "$(PYTHON)" $(VENV); \
	  uv pip install --python $(BIN)/python -e '.[dev]'; \
	else \
	  "$(PYTHON)" -c 'import ensurepip, venv' 2> /dev/null || { \
	    echo "$(PYTHON) can't make virtual environments. On Debian or Ubuntu:" >&2; \
	    echo "  sudo apt-get install python3-venv" >&2; \
	    echo "or install uv, which needs no such package." >&2; exit 1; }; \
	  set -ex; \
	  $(BIN)/python -m pip --version > /dev/null 2>&1 || "$(PYTHON)" -m venv --clear $(VENV); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'; \
	fi
	@touch $@
