# Every target sets up what it needs: Python >= 3.11, make and a package index are enough.
# Pass options on with ARGS, for example: make test ARGS="-k displays -x"

SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
LOWEST := .venv-lowest
WHEEL := .venv-wheel
DIST := .venv-dist
ARGS ?=

.PHONY: demo test test-all lint docs check-docs smoke-lowest smoke-wheel dist packages check-files bench clean
.DEFAULT_GOAL := test

demo: $(VENV)/.installed
	$(PY) examples/quickstart.py $(ARGS)

# One process a core: torch's own threads are off in the tests. Idle processes take tests from the
# others (worksteal), so that no long file is the tail.
PYTEST := $(PY) -m pytest -n auto --maxprocesses 4 --dist worksteal

test: $(VENV)/.installed
	$(PYTEST) -m "not slow" $(ARGS)

test-all: $(VENV)/.installed
	$(PYTEST) $(ARGS)

# The lowest versions that pyproject.toml allows, installed, and a smoke run with them.
smoke-lowest: $(LOWEST)/.installed
	$(LOWEST)/bin/python tests/smoke.py

# What is published: built twice, the wheel from the source distribution, into equal bytes; its
# metadata and contents are checked.
dist: check-files packages

packages: $(DIST)/.installed
	rm -rf dist build
	$(DIST)/bin/python -m build --quiet --outdir dist .
	$(DIST)/bin/python -m build --quiet --outdir build/again .
	for file in $$(ls dist); do cmp "dist/$$file" "build/again/$$file" || exit 1; done
	$(DIST)/bin/python -m twine check --strict dist/*
	$(DIST)/bin/check-wheel-contents dist/*.whl
	sha256sum dist/* || shasum -a 256 dist/*

# A file that is not in git would be published nevertheless. Outside a checkout there is no git.
check-files:
	@! [ -e .git ] || ! git ls-files --others --exclude-standard | grep . >&2 || \
	    { echo "These files are not in git: add, move or ignore them." >&2; exit 1; }

# The wheel without extras in an environment of its own, outside the repository, with the newest
# versions of all that it needs: a dependency that is not declared, or that broke, shows here.
smoke-wheel: $(VENV)/.uv packages
	$(VENV)/bin/uv venv --quiet --clear --python $(PY) $(WHEEL)
	$(VENV)/bin/uv pip install --quiet --python $(WHEEL)/bin/python dist/*.whl
	cd $(WHEEL) && PYTHONSAFEPATH=1 bin/python ../tests/smoke.py core
	rm -rf $(WHEEL)

bench: $(VENV)/.installed
	$(PY) -m benchmarks --quick $(ARGS)

lint: $(VENV)/.installed-dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m codespell_lib

docs: $(VENV)/.installed-docs
	$(PY) -m sphinx -W --keep-going -b html docs docs/_build/html $(ARGS)

# Broken links, missing pictures, names that the API page does not reach; after `make docs`.
check-docs: $(VENV)/.installed-docs
	$(PY) tools/check_site.py docs/_build/html

clean:
	rm -rf $(VENV) $(LOWEST) $(WHEEL) $(DIST) docs/_build docs/generated docs/auto_examples docs/sg_execution_times.rst demo_output build dist .pytest_cache .ruff_cache

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

$(DIST)/.installed: $(VENV)/.created
	$(PY) -m venv --clear $(DIST)
	$(DIST)/bin/python -m pip install --quiet --disable-pip-version-check \
	    "build>=1.2" "twine>=6.1" "check-wheel-contents>=0.6"
	@touch $@

$(VENV)/.uv: $(VENV)/.created
	$(PY) -m pip install --quiet --disable-pip-version-check "uv>=0.5"
	@touch $@

# --clear: a changed lower bound starts from nothing, so that no higher version stays installed.
$(LOWEST)/.installed: $(VENV)/.uv pyproject.toml
	@echo "Installing the lowest versions that pyproject.toml allows (some minutes)"
	$(VENV)/bin/uv venv --quiet --clear --python $(PY) $(LOWEST)
	$(VENV)/bin/uv pip compile --quiet --resolution lowest-direct --python $(LOWEST)/bin/python \
	    --extra onnx --extra parquet --extra pipeline --extra plot \
	    pyproject.toml -o $(LOWEST)/requirements.txt
	$(VENV)/bin/uv pip install --quiet --python $(LOWEST)/bin/python \
	    -r $(LOWEST)/requirements.txt
	$(VENV)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --no-deps -e .
	@touch $@
