# Every target sets up .venv by itself from python3 and make alone.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
HOME_DIR ?= instance
CUSTOMERS ?= 2000
SERVE ?= 1
BENCH ?= ingest build lookup search
# one more than there are processors, for a test that waits for a browser leaves its own idle; two gigabytes for each
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); n=$$((n < 8 ? n + 1 : 8)); \
  room=$$(awk '/MemAvailable/ { print int($$2 / 2000000) }' /proc/meminfo 2>/dev/null); room=$${room:-2}; \
  echo $$((room >= n ? n : room > 2 ? room : 2)))
# what a process has compiled the next one need not: the tests start some hundred
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help setup demo test test-system check bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.ready  ## the Python environment in .venv

$(VENV)/.ready: pyproject.toml requirements.txt
	@PY="$(PY)" run/setup.sh $(VENV)
	@touch $@

demo: setup  ## collect, build and publish the demo company, then serve it (SERVE=0: all but serve)
	@$(BIN)/c360 --home $(HOME_DIR) demo --customers $(CUSTOMERS) $(if $(filter 0,$(SERVE)),--no-serve,)

test: setup  ## unit, property, conformance, crash and browser tests
	@run/browser.sh
	@C360_TEST_MEMORY=1 $(BIN)/pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder -m "not system"
	@echo "make test passed. Next: make demo, or make test-system for the real third-party systems."

test-system: setup  ## Tryton, BottleCRM, Roundup, Redmine and Request Tracker started here, collected and compared
	@$(BIN)/pytest -m system -rs tests/system
	@echo "make test-system passed."

check: setup  ## lint, types, import contracts, SQL lint, docs tests
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest tests/project
	@echo "make check passed."

bench: setup  ## the four benchmarks, one JSON object each
	@for name in $(BENCH); do $(BIN)/python -m bench $$name --json || exit 1; done

clean:  ## remove everything that was built here (not your instance)
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
