# Everything a newcomer needs is `make demo` and `make test`; both make their own environment first.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; exit; }; done; echo python3)
WORKERS ?= 2
ARGS ?=
BIN := .venv/bin
UV ?= uv
COMPILE = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint lock clean runtime testing

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' $(MAKEFILE_LIST) | expand -t 18

demo: runtime  ## run the chain on this machine and open its first page (options: ARGS="--headless --json")
	@$(BIN)/keersluis demo $(ARGS)

test: testing  ## run all tests that fit in ten minutes on two cores (options for pytest: ARGS="-k gates")
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(ARGS)

test-all: testing  ## run the long tests too
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup -m "long or not long" $(ARGS)

lint: testing  ## style, types and the layers between the rooms
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

lock:  ## pin the newest versions that pyproject.toml allows, with their hashes (needs uv)
	@command -v $(UV) >/dev/null || { echo "expected uv, got none; install it (pip install uv) or name it: make lock UV=..." >&2; exit 2; }
	@$(COMPILE) pyproject.toml -o requirements.lock
	@$(COMPILE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

clean:  ## remove what was made here: environment, caches, runs
	@rm -rf .venv .venv.lock .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist run demo-data
	@find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

runtime:
	@$(PYTHON) tools/bootstrap.py runtime

testing:
	@$(PYTHON) tools/bootstrap.py test
	@$(PYTHON) tools/debian_packages.py
