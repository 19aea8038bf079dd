# Two commands do all their own set-up on a fresh machine with Python 3.11 and make: `make demo` and `make test`.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CONVAI = $(firstword $(DATA) $(wildcard data/convai ../shared/data/convai) data/convai)
export DAGSTER_DISABLE_TELEMETRY := yes
# Where a machine forbids it, each of hundreds of processes compiles the product anew, and each of the tests' the tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo live-demo chat run-convai ui vllm test retest test-fast lint types audit check clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY)  ## make the virtual environment (every other target does it by itself)

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || { echo "making $(VENV) (once; torch is large)"; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[stream,collect,lake,dagster,train,encoder,test]' setuptools wheel
	@DS_BUILD_OPS=0 $(BIN)/uv pip install --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[train,deepspeed]'
	@touch $(READY)

demo: $(READY)  ## the whole loop on a synthetic world; ends in runs/demo/report.html
	@$(BIN)/loveloop demo

live-demo: $(READY)  ## the loop on a live product that goes on in days; five minutes, every command shown
	@$(BIN)/loveloop live-demo

chat: $(READY)  ## chat with the demo's models, give hearts, see them stored; after make demo, or with tiny models
	@$(BIN)/loveloop chat

run-convai: $(READY)  ## the loop on real thumbs; DATA=folder with ConvAI's dialogues (docs/convai.md)
	@test -d $(CONVAI) || { echo "$(CONVAI) is not there: docs/convai.md says where to get the dialogues; then make run-convai DATA=folder"; exit 1; }
	@$(BIN)/loveloop run --recipe deploy/recipes/convai.toml --data $(CONVAI)

ui: $(READY)  ## the Dagster UI on http://127.0.0.1:3000
	@$(BIN)/loveloop ui

vllm: $(READY)  ## make the environment of the rollout server (LOVELOOP_VLLM_ENV, by default ~/.cache/loveloop/vllm)
	@PYTHON=$(PYTHON) UV=$(BIN)/uv sh deploy/vllm/environment.sh

test: $(READY)  ## every test, three files of tests at a time: on two cores, since many wait
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=20

retest: $(READY)  ## the tests that failed last, one after the other
	@$(BIN)/python -m pytest --last-failed --last-failed-no-failures none

test-fast: $(READY)  ## the tests that take under about a third of a second each
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

lint: $(READY)  ## style, format and the direction of imports
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && PATH="$(CURDIR)/$(BIN):$$PATH" lint-imports

types: $(READY)  ## mypy, strict
	@$(BIN)/mypy

audit: $(READY)  ## known vulnerabilities of the pinned packages; asks PyPI (docs/security.md)
	@$(BIN)/uv tool run --quiet pip-audit@2.10.1 --strict --no-deps --disable-pip --requirement constraints.txt

check: lint types test  ## what CI runs

clean:  ## remove the environment and every run
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
