# `make check` runs the gate's main job here; `make test` runs its test suite.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
RECORDED := tests/data/h100/measurement.json
WORKFLOWS := $(wildcard .github/workflows/*.yml)
ACTIONS := $(wildcard .github/actions/*/action.yml)
SCRIPTS := .ci/run $(wildcard .github/*/*.sh)
# More options for gate check: make check CHECK_OPTIONS="--markdown check.md"
CHECK_OPTIONS ?=

.PHONY: check test lint

check: $(VENV)/.ready
	$(BIN)/gate check --gpu auto $(CHECK_OPTIONS)
	@echo
	@echo "Replaying a measurement that was recorded on an H100 80GB through the judge:"
	$(BIN)/gate judge --gpu auto $(RECORDED)

test: $(VENV)/.ready
	$(BIN)/python -m pytest --numprocesses auto --dist loadgroup

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/actionlint -shellcheck= -pyflakes= -config-file .github/actionlint.yaml $(WORKFLOWS)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-actions $(ACTIONS)
	$(BIN)/shellcheck --external-sources $(SCRIPTS)
	$(BIN)/zizmor --quiet --offline --persona=auditor .github

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[gpu,dev]'
	touch $@
