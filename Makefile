# make demo   the main job, end to end, on real data (about two minutes)
# make test   the test suite (random order, offline)
# make lint   ruff; make types: mypy; make crash: the long kill campaign of the store
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
# The first interpreter that is new enough; override with make PYTHON=/path/to/python
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

.PHONY: demo test lint types crash slow bench clean

$(PY):
	@test -n "$(PYTHON)" || { echo "metaal needs Python 3.11 or newer: install it, or say make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of dependencies, so that the second call starts at once.
$(VENV)/.core: pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.test: pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[test]"
	@touch $@ $(VENV)/.core

$(VENV)/.dev: pyproject.toml | $(PY)
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@ $(VENV)/.test $(VENV)/.core

demo: $(VENV)/.core
	$(VENV)/bin/metaal demo

test: $(VENV)/.test
	$(PY) -m pytest -q -n 2 -m "not slow"

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.dev
	$(VENV)/bin/mypy

slow: $(VENV)/.test
	$(PY) -m pytest -q -m slow

crash: $(VENV)/.test
	$(PY) -m pytest -q -m slow tests/metadata_store

# About an hour on idle cores.
bench: $(VENV)/.test
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[peers]"
	$(PY) -m benchmarks.micro all --again
	$(PY) -m benchmarks.readme

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist build metaal_demo
