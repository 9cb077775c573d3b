# `make check` runs the gate's main job here; `make test` runs its test suite.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RECORDED := tests/data/h100/measurement.json

.PHONY: check test lint

check: $(VENV)/.ready
	$(BIN)/gate check --gpu auto
	@echo
	@echo "Replaying a measurement that was recorded on an H100 80GB through the judge:"
	$(BIN)/gate judge --gpu auto $(RECORDED)

test: $(VENV)/.ready
	$(BIN)/python -m pytest

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[gpu,dev]'
	touch $@
