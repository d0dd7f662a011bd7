# Every target sets up what it needs: Python >= 3.11, make and a package index are enough.
# Pass options on with ARGS, for example: make test ARGS="-k displays -x"

SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=

.PHONY: demo test lint docs bench clean
.DEFAULT_GOAL := test

demo: $(VENV)/.installed
	$(PY) examples/quickstart.py $(ARGS)

# Side by side, in their order (a long file at the end would leave one process idle); the tests of a
# file stay together, since they share what is costly to make.
test: $(VENV)/.installed
	$(PY) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(VENV)/.installed
	$(PY) -m benchmarks --quick $(ARGS)

lint: $(VENV)/.installed-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

docs: $(VENV)/.installed-docs
	$(PY) -m sphinx -W --keep-going -b html docs docs/_build/html $(ARGS)

clean:
	rm -rf $(VENV) docs/_build docs/generated demo_output build dist .pytest_cache .ruff_cache

# A candidate counts only when it runs: a version manager's shim can be on PATH and fail.
$(VENV)/.created:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	    if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	        >/dev/null 2>&1; then \
	        echo "Creating $(VENV) with $$($$python --version)"; \
	        $$python -m venv --clear $(VENV) && touch $@; exit $$?; \
	    fi; \
	done; \
	echo "No Python >= 3.11 with the venv module was found; name one: make PYTHON=/path/to/python" >&2; \
	exit 1

$(VENV)/.installed: $(VENV)/.created pyproject.toml
	@echo "Installing skblood and its dependencies (the first time takes some minutes)"
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[test]"
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[docs]"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@
