# make demo   the main job, end to end, on real data (about two minutes)
# make test   the test suite (random order, offline)
# make lint   ruff; make types: mypy; make crash: the long campaign of faults of the store
SHELL := /bin/bash
VENV := .venv
PY := $(VENV)/bin/python
# The first interpreter that is new enough; override with make PYTHON=/path/to/python
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)

SEED ?= 1
SHARE ?= 1

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
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[ray]"
	$(PY) -m pytest -q -m slow

# An hour or two on two cores; make crash SEED=7 SHARE=0.01 is a look at it of a minute.
crash: $(VENV)/.test
	PYTHONPATH=tests/metadata_store:. $(PY) -m faults.campaign --seed $(SEED) --share $(SHARE) \
		--out benchmarks/results/store_faults.json
	METAAL_SEED=$(SEED) $(PY) -m pytest -q -m slow tests/metadata_store/test_store_model.py

# About an hour on idle cores.
bench: $(VENV)/.test
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[peers,bench]"
	$(PY) -m benchmarks.micro all --again
	$(PY) -m benchmarks.store all --peers --again
	$(PY) -m benchmarks.micro latency
	$(PY) -m benchmarks.report

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache dist build metaal_demo
