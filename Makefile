# Everything a person runs, by name. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help demo up test check format lock record-histories clean

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): requirements.lock pyproject.toml
	@echo "Installing Perdure and what it needs into $(VENV) (once, about a minute)"
	@$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or later is needed: make PYTHON=python3.12 …"'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP) ## Start everything, push 500 payments through it, kill a worker, account for every cent
	@$(BIN)/perdure demo

up: $(STAMP) ## Run the whole platform on this machine until Ctrl-C
	@$(BIN)/perdure up

test: $(STAMP) ## Run every test, on real servers started for it
	@$(BIN)/pytest

check: $(STAMP) ## Check format, style and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: $(STAMP) ## Format the code, and mend what can be mended by itself
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: $(STAMP) ## Pin the newest dependencies that pyproject.toml allows
	@$(BIN)/uv pip compile pyproject.toml --group dev --upgrade --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements.lock

record-histories: $(STAMP) ## Record histories for the replay tests: VERSION=payment-v3
	@VERSION=$(VERSION) $(BIN)/python -m tests.replay.record

clean: ## Remove what was installed and what the demo left
	rm -rf $(VENV) .perdure
