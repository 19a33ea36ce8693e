# Everything a person runs, by name. `make` alone lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help demo up test test-fast test-kind test-long test-deploy check format lock openapi reference protos manifests record-histories bench bench-quick clean

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

# Tests mostly wait, so three processes keep two cores busy; a file's tests share their servers.
test: $(STAMP) ## Run every test, on real servers started for it
	@$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-fast: $(STAMP) ## Run what starts no platform: unit tests, the house's rules, every recorded history
	@$(BIN)/pytest tests/unit tests/tidy tests/replay --numprocesses 2 --dist loadfile

# By the singular, which is in the names of a kind's folders, files and tests.
test-kind: $(STAMP) ## Run what has to do with one kind: KIND=transfers
	@test -n "$(KIND)" || { echo "Say which: make test-kind KIND=transfers"; exit 2; }
	@$(BIN)/pytest tests/unit tests/replay tests/integration tests/workflows -k "$(KIND:%s=%)" \
	  --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-long: $(STAMP) ## Run what the suite has no time for: chaos of many rounds, with the whole machine
	@CHAOS_ROUNDS=$(or $(ROUNDS),20) INTERLEAVINGS=300 MOMENTS_STEP=1 WRITER_KILLS=1000 \
	  $(BIN)/pytest -m "" tests/chaos tests/integration/trades/test_killed_writers.py tests/workflows/test_reconciliation_scale.py \
	  tests/integration/operations/test_interleavings.py tests/integration/operations/test_every_moment.py

test-deploy: $(STAMP) ## Check the deployment with others' validators, which Go builds at first: some minutes
	@$(BIN)/pytest -m "" tests/unit/deploy

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

BENCH := .venv-bench
BENCH_CACHE := .perdure/bench/cache
RESTATE_SERVER := @restatedev/restate-server@1.7.12

$(BENCH)/installed: bench/requirements.lock requirements.lock pyproject.toml
	@echo "Installing the benchmark's peers into $(BENCH) and $(BENCH_CACHE) (once, about two minutes)"
	@test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	@echo '*' > $(BENCH)/.gitignore
	@$(BENCH)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BENCH)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r bench/requirements.lock
	@$(BENCH)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@command -v go > /dev/null || echo "perdure-cluster is left out: Temporal's server is built with Go (https://go.dev/dl)"
	@command -v redis-server > /dev/null || echo "Celery is left out: it needs redis-server (apt-get install redis-server)"
	@mkdir -p $(BENCH_CACHE)/npm
	@npm install --silent --no-fund --no-audit --prefix $(BENCH_CACHE)/npm $(RESTATE_SERVER) \
	  || echo "Restate is left out: its server comes from npm"
	@touch $@

bench: $(BENCH)/installed ## Measure Perdure beside what one would use instead; writes bench/RESULTS.md
	@$(BENCH)/bin/python -m bench

bench-quick: $(BENCH)/installed ## The same with 50 and with ten open at once, in some minutes
	@$(BENCH)/bin/python -m bench quick trades --table-only

openapi: $(STAMP) ## Write docs/openapi.json, the API's description
	@$(BIN)/python -m perdure.api.document docs/openapi.json

reference: $(STAMP) ## Write docs/reference.md, what `perdure` exports
	@$(BIN)/python -m perdure.reference docs/reference.md

protos: $(STAMP) ## Write the modules of the .proto files
	@$(BIN)/python -m tests.tidy.protos src

manifests: $(STAMP) ## Write deploy/kubernetes, what the chart renders to
	@$(BIN)/python -m tests.unit.deploy.rendering

clean: ## Remove what was installed and what the demo left
	rm -rf $(VENV) $(BENCH) .perdure
