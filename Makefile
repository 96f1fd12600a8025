# Everything a newcomer needs: `make demo`, `make test`, `make help`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Extras stay in the names: an older pip takes `coverage[toml]` and `coverage` for two packages, and
# refuses the one that it finds no pin for.
LOCK = --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-annotate \
  --no-header --upgrade --quiet
# Where the light install of a scoring machine goes.
SCORE_VENV ?= .venv-score

.DEFAULT_GOAL := help
.PHONY: help setup setup-score demo test test-slow lint coverage profile bench benchmark-quality docs ui lock clean

help:  ## say what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## make .venv and install the pinned dependencies

# Only the lock and the package's own metadata decide whether to install again, so that a second
# run needs no network.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "rareevent needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned dependencies into $(VENV) (one to four minutes)"
	@$(BIN)/python -m pip install --quiet --quiet --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

setup-score:  ## make .venv-score: all that scoring needs, without TensorFlow
	@test -x $(SCORE_VENV)/bin/python || $(PYTHON) -m venv $(SCORE_VENV)
	@$(SCORE_VENV)/bin/python -m pip install --quiet --quiet --require-hashes \
	  --requirement requirements-score.lock
	@$(SCORE_VENV)/bin/python -m pip install --quiet --quiet --no-deps .
	@echo "scores with: $(SCORE_VENV)/bin/rareevent score --help"

demo: setup  ## simulate a fleet, train, evaluate, register and score it
	@$(BIN)/rareevent demo

# A file's tests stay in one process, which shares what they are prepared with. The long ones, some
# of which measure time, run one after the other.
test: lint  ## lint, then the fast tests; test-lstm, test-ingestion …: those of one floor
	$(BIN)/pytest -m "not slow" --numprocesses auto --dist loadfile

# make test-ingestion, test-lstm …: one floor, its doctests too.
STAGES := $(notdir $(patsubst %/,%,$(dir $(wildcard rareevent/*/__init__.py))))
.PHONY: $(STAGES:%=test-%)
$(STAGES:%=test-%): test-%: setup
	$(BIN)/pytest -m "not slow" $(or $(wildcard tests/$*),tests/test_$*.py) rareevent/$*

test-slow: setup  ## the long tests
	$(BIN)/pytest -m slow

lint: setup  ## ruff, import-linter and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache > .lint-imports.log || { cat .lint-imports.log; exit 1; }
	@rm -f .lint-imports.log
	$(BIN)/mypy

coverage: setup  ## the fast tests, and which branches they leave out
	$(BIN)/pytest -m "not slow" --cov

profile: setup  ## where training and scoring spend their time, into profiles/
	$(BIN)/python -m tests.benchmarks.profiles

bench: setup  ## print how fast, against what one would otherwise do
	$(BIN)/python -m tests.benchmarks

benchmark-quality: setup  ## print how good, on every data set at hand (minutes; goes on after a kill)
	@$(BIN)/python -m tests.benchmarks.quality

ui: setup  ## the MLflow UI on 127.0.0.1 over mlruns/
	@$(BIN)/rareevent ui

lock: setup  ## pin the newest versions that pyproject.toml allows (needs uv)
	uv pip compile $(LOCK) --group dev --output-file requirements.lock pyproject.toml
	sed -E '/--hash/d; s/ *\\$$//; s/^([^[ ]+)\[[^]]*\]/\1/' requirements.lock > .constraints.txt
	uv pip compile $(LOCK) --group score --constraint .constraints.txt \
	  --output-file requirements-score.lock
	@rm -f .constraints.txt

docs: setup  ## the pages as HTML in build/docs/html, the reference written anew
	@$(BIN)/python docs/generate.py
	@$(BIN)/python docs/build.py

clean:  ## remove .venv and caches; mlruns/ and data/ stay
	rm -rf $(VENV) $(SCORE_VENV) .pytest_cache .ruff_cache .hypothesis build dist
