# Two commands on a fresh machine: `make desk` and `make test`. Both set up everything in ./.venv first.
#   make desk    set up, then open JupyterLab on the first notebook  (ARGS="--no-browser --port 8899" is passed on)
#   make test    set up, then pass the tests                          (ARGS="-k motifs" is passed to pytest; JOBS=0: one file after the other)
#   make lint    ruff, import floors, types
#   make bench   every benchmark, JSON into runs/bench
#   make lock    write requirements.lock anew from this environment
PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=
JOBS   ?= 2
PIP_ARGS ?=
# processes side by side that each ask for all cores wait for one another
THREADS := $(if $(filter-out 0,$(JOBS)),OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1)
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.motifdesk-installed
export JUPYTER_PLATFORM_DIRS = 1

.DEFAULT_GOAL := help
.PHONY: help desk test lint bench setup lock clean chromium

help:
	@sed -n '1,7p' Makefile

setup: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "MotifDesk needs Python >= 3.11; this is %s. Use: make PYTHON=/path/to/python3.11" % sys.version.split()[0])'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --constraint requirements.lock --editable ".[test]"
	@touch $(STAMP)

chromium:
	@sh scripts/ensure_chromium.sh

desk: setup
	$(BIN)/motifdesk lab $(ARGS)

test: setup chromium
	$(THREADS) $(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: setup chromium
	$(BIN)/python -m pip install --quiet $(PIP_ARGS) --constraint requirements.lock --editable ".[test,bench]"
	$(BIN)/motifdesk bench all --json runs/bench $(ARGS)

lock: setup
	$(BIN)/python scripts/write_lock.py > requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
