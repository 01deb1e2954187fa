# Everything here works on a machine with Python 3.11 or newer, make and git. `make help` lists it.

PORT ?= 8000
# Not taken from the environment: some shells keep the machine's name in HOST.
HOST := 127.0.0.1
LABEL ?=
# The first Python that will do, unless one is named: make run PYTHON=/path/to/python3.12
PYTHON ?= $(shell ./tools/python.sh)

# Install what the word after it needs, then run the rest with .venv's Python.
# `exec`, so that a signal which make passes on reaches Python and not a shell before it.
READY = @python="$(PYTHON)"; command -v "$$python" >/dev/null || \
	{ echo "error: there is no $$python here. Install Python 3.11 or newer, or name one: make PYTHON=..." >&2; exit 1; }; \
	exec "$$python" tools/bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help run demo-data screenshots shell migrate makemigrations test test-slow test-browser test-faults test-fast bench bench-pacing lint format typecheck lock clean

##@ Use it

run: ## Start everything in demo mode [PORT=8000]; Ctrl-C stops it
	$(READY) --port "$(PORT)" --host "$(HOST)" run -m tools.run --port "$(PORT)" --host "$(HOST)"

demo-data: ## Fill the demo's database with sample brands and campaigns
	$(READY) run -m tools.manage setup_demo

screenshots: ## Pictures of every page, of the demo at PORT or of one of its own, with a Chromium
	$(READY) test -m tools.screenshots --port "$(PORT)"

shell: ## A Python shell on the demo's database
	$(READY) run -m tools.manage shell

##@ Check it

test: ## All checks and the suite on PostgreSQL, its core on SQLite too [LABEL=a path or a word in names]
	$(READY) test -m tools.test $(LABEL)

test-faults: ## The long runs: more processes, more kills, longer walks, on PostgreSQL
	$(READY) test -m tools.servers -- pytest -m faults --timeout 900 tests

test-slow: ## Who may do what, races, kills, larger files, whether the benchmarks work; the rest on SQLite
	$(READY) test -m tools.servers -- pytest -n 2 --dist loadgroup -m "slow and not faults" tests
	$(READY) test -m tools.test --only "all on SQLite"

test-browser: ## The pages in a headless Chromium, where one is installed [BROWSER=path]
	$(READY) test -m tools.servers -- pytest -m browser tests/browser

test-fast: ## The suite on SQLite only, up to the first failure [LABEL=...]
	$(READY) test -m tools.test --fast $(LABEL)

lint: ## Lint, format and import rules, without changing anything
	$(READY) test -m tools.test --only "ruff check,ruff format,lint-imports"

typecheck: ## mypy --strict over all code
	$(READY) test -m tools.test --only mypy

bench: ## Measure speed on a temporary PostgreSQL
	$(READY) test -m tools.servers -- python -m benchmarks

bench-pacing: ## Replay days of traffic through the pacer and its rivals [DATA=folder] [ARGS="--days 40"]
	$(READY) test -m benchmarks.pacing $(if $(DATA),--data "$(DATA)") $(ARGS)

##@ Change it

format: ## Format the code and fix what ruff can fix
	$(READY) test -m ruff format .
	$(READY) test -m ruff check --fix .

migrate: ## Bring the demo's database up to date
	$(READY) run -m tools.manage migrate

makemigrations: ## Write migrations for changed models
	$(READY) run -m tools.manage makemigrations

lock: ## Resolve requirements/*.in into locks with hashes [UPGRADE=1 to move to newer versions]
	$(READY) test -m tools.lock $(if $(UPGRADE),--upgrade)

clean: ## Remove .venv, caches and the demo's data
	rm -rf .venv .local .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

##@ Find out

help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' Makefile
