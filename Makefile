# A fresh clone needs Python 3.11 or newer and nothing else: every target makes .venv and installs what it needs, once.
#   make quickstart              train on real data, write an HTML report
#   make test                    the tests on all three backends; BACKEND=jax for one, PYTEST_ARGS="-m 'not slow'" for speed
#   make lint | docs | tutorials
#   make ci                      all of it, as continuous integration runs it

MINIMUM := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
    $$python -c '$(MINIMUM)' 2>/dev/null && echo $$python && break; done)

VENV := .venv
BIN := $(VENV)/bin
# Stamps: an install runs again only when pyproject.toml changed.
DEV := $(VENV)/.installed-dev
QUICKSTART := $(VENV)/.installed-quickstart

BACKEND ?=
BACKENDS := $(or $(BACKEND),jax tensorflow torch)
# Most of a test's time is Python, on one processor.
JOBS ?= $(shell nproc 2>/dev/null || echo 1)
PYTEST_ARGS ?=
QUICKSTART_ARGS ?=

export TF_CPP_MIN_LOG_LEVEL ?= 3
# What NumPy, SciPy and torch compute in tests is small: threads would only wait for each other, and those of torch, beside
# another process, for most of the time.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: help quickstart test lint format docs tutorials ci clean

help:
	@sed -n 's/^#   //p' Makefile

quickstart: $(QUICKSTART)
	$(BIN)/keras-neural-opt quickstart $(QUICKSTART_ARGS)

# All backends run even when one fails, so that one run tells everything.
test: $(DEV)
	@$(MAKE) --no-print-directory --keep-going $(BACKENDS:%=test-%)

test-%: $(DEV)
	@echo "=== tests on $* ==="
	@KERAS_BACKEND=$* $(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(DEV)
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

tutorials: $(DEV)
	@for tutorial in $(wildcard tutorials/*.py); do \
	    echo "=== $$tutorial ==="; \
	    KERAS_BACKEND=$${KERAS_BACKEND:-jax} MPLBACKEND=Agg $(BIN)/python $$tutorial || exit 1; \
	done

# The longest first. Each one's output comes when it ends. The documentation runs the tutorials.
ci: lint
	@$(MAKE) --no-print-directory --keep-going --output-sync=target --jobs=$(JOBS) \
	    test-tensorflow test-jax test-torch docs

clean:
	rm -rf $(VENV) docs/_build build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with venv is needed: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"  # the first pip that knows dependency groups

$(DEV): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[docs]" --group dev
	@touch $@

$(QUICKSTART): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[quickstart]"
	@touch $@
