# Everything here works on a machine with Python 3.11 or newer, make and git. `make help` lists it.
# What acts on the running system acts on the local stack or, with DOCKER=1 or if only that is up, on the compose stack.

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
# What the local stack needs installed, and the compose stack does not.
STACK = $(READY) $(if $(filter 1,$(DOCKER)),nothing,run)
MANAGE = $(STACK) -m tools.manage
# What a variable must be given for: $(call need,BRAND,make test-spend BRAND=Acme AMOUNT=25)
need = @[ -n "$$$(1)" ] || { echo "error: $(1) is missing. For example: $(2)" >&2; exit 1; }

.DEFAULT_GOAL := help
# No target is a file.
MAKEFLAGS += --no-builtin-rules
.PHONY: $(shell sed -n 's/^\([a-z][a-z -]*\):.*/\1/p' Makefile)

##@ Basic

run: ## Start everything here; Ctrl-C stops it [PORT=8000]
	$(READY) $(if $(filter 1,$(DOCKER)),nothing,--port "$(PORT)" --host "$(HOST)" run) -m tools.run --port "$(PORT)" --host "$(HOST)"

setup: ## Install everything, make the database and the login
	$(if $(filter 1,$(DOCKER)),$(READY) nothing -m tools.env_files,$(READY) test -m tools.here)

up: ## Start it in the background, wait until it is ready [PORT=]
	$(STACK) -m tools.stack up "$(PORT)" "$(HOST)"

down: ## Stop it
	$(READY) nothing -m tools.stack down

restart: ## Stop it and start it again
	$(STACK) -m tools.stack restart "$(PORT)" "$(HOST)"

destroy: ## Stop it and delete its data
	$(READY) nothing -m tools.stack destroy

status: ## What runs, where
	$(READY) nothing -m tools.stack status

health: ## Whether all of it is well
	$(READY) nothing -m tools.stack health

doctor: ## Look for what is wrong, and say what to do
	$(MANAGE) doctor

##@ Development

migrate: ## Bring the database up to date
	$(MANAGE) migrate

makemigrations: ## Write migrations for changed models
	$(READY) run -m tools.here --local -- python manage.py makemigrations

superuser: ## Make an administrator
	$(MANAGE) createsuperuser

shell: ## A Python shell on the database
	$(MANAGE) shell

bash: ## A shell with the system's settings and programs
	$(STACK) -m tools.here -- bash

restart-web: ## Start the web anew
	$(READY) nothing -m tools.stack restart-web

restart-celery: ## Start worker and beat anew; running tasks end first
	$(READY) nothing -m tools.stack restart-celery

lint: ## Lint, format and import rules, without changing anything
	$(READY) test -m tools.test --only "ruff check,ruff format,lint-imports"

format: ## Format the code and fix what ruff can fix
	$(READY) test -m ruff format .
	$(READY) test -m ruff check --fix .

typecheck: ## mypy --strict over all code
	$(READY) test -m tools.test --only mypy

lock: ## Resolve requirements/*.in into hashed locks [UPGRADE=1]
	$(READY) test -m tools.lock $(if $(UPGRADE),--upgrade)

##@ Tests

test: ## All checks; suite on PostgreSQL, core on SQLite [LABEL=]
	$(READY) test -m tools.test $(LABEL)

quick-test: ## The tests without a database
	$(READY) test -m pytest -q -x tests/unit

test-fast: ## The suite on SQLite only, up to the first failure [LABEL=]
	$(READY) test -m tools.test --fast $(LABEL)

test-slow: ## Matrices, races, kills, larger files; the rest on SQLite
	$(READY) test -m tools.servers -- pytest -n 2 --dist loadgroup -m "slow and not faults" tests
	$(READY) test -m tools.test --only "all on SQLite"

test-faults: ## Faults by number: kills, cuts, wrong clocks
	$(READY) test -m tools.servers -- pytest -n 2 --dist loadgroup -m "faults or fault" --timeout 900 tests

test-browser: ## The pages in a headless Chromium [BROWSER=path]
	$(READY) test -m tools.servers -- pytest -m browser tests/browser

test-full: test test-slow test-faults test-browser ## All of these, one after another

soak: ## Everything at once for minutes, with faults [ARGS=]
	$(READY) test -m tools.soak $(ARGS)

mutants: ## Break the rules one by one; a test must notice [ARGS=]
	$(READY) test -m tools.mutants $(ARGS)

##@ Database

db-shell: ## SQL by hand
	$(READY) run -m tools.database shell

db-reset: ## An empty database
	$(READY) run -m tools.database reset

wait-for-db: ## Wait until the database answers [WAIT=60 seconds]
	$(READY) run -m tools.database wait

backup: ## Write a backup to backups/, read it back [DATABASE_URL=]
	$(READY) run -m tools.database backup

restore: ## Go back to a backup, checked first FILE= [DATABASE_URL=]
	$(READY) run -m tools.database restore

##@ Try it

setup-test-data: ## Sample brands and campaigns with months of spend
	$(MANAGE) setup_demo $${FORCE:+--yes} $(ARGS)

demo: ## One brand's day, told scene by scene [PORT=8000]
	$(MANAGE) demo_story --url "http://$(HOST):$(PORT)" $(ARGS)

demo-platforms: ## An ad platform, simulated: spend, pause, read back, drift
	$(READY) test -m tools.demo_platforms

test-dayparting: ## Check schedules on a brand of its own
	$(MANAGE) test_budget_system --test dayparting

test-spend: ## Post one spend BRAND= AMOUNT=
	$(call need,BRAND,make test-spend BRAND=Acme AMOUNT=25)
	$(call need,AMOUNT,make test-spend BRAND=Acme AMOUNT=25)
	$(MANAGE) simulate_spend --brand "$$BRAND" --amount "$$AMOUNT" --count 1 $${FORCE:+--yes}

simulate-spend: ## Post random spends [MIN= MAX= COUNT= DURATION= BRAND=]
	$(MANAGE) simulate_spend $${MIN:+--min "$$MIN"} $${MAX:+--max "$$MAX"} $${BRAND:+--brand "$$BRAND"} \
		$${COUNT:+--count "$$COUNT"} $${DURATION:+--duration "$$DURATION"} $${FORCE:+--yes}

simulate-time: ## What would run at another time HOUR= [DAY= BRAND=]
	$(call need,HOUR,make simulate-time HOUR=14 DAY=mon)
	$(MANAGE) simulate_time --hour "$$HOUR" $${DAY:+--day "$$DAY"} $${BRAND:+--brand "$$BRAND"}

load-test: ## Requests from several callers at once [PORT=8000 ARGS=]
	$(MANAGE) load_test $(if $(filter 1,$(DOCKER)),,--url "http://$(HOST):$(PORT)") $(ARGS)

bench: ## Measure speed on a temporary PostgreSQL [ARGS=]
	$(READY) test -m tools.servers -- python -m benchmarks $(ARGS)

bench-pacing: ## Replay days of traffic through the pacer [DATA= ARGS=]
	$(READY) test -m benchmarks.pacing $(if $(DATA),--data "$(DATA)") $(ARGS)

screenshots: ## Pictures of every page, with a Chromium [PORT=]
	$(READY) test -m tools.screenshots --port "$(PORT)"

##@ Watch it

monitor: ## A live view of brands, spend and ticks
	$(MANAGE) monitor_system $(ARGS)

logs: ## What all parts say [TAIL=50 FOLLOW=1]
	$(READY) nothing -m tools.logs

logs-web: ## What the web says
	$(READY) nothing -m tools.logs web

logs-worker: ## What the worker says
	$(READY) nothing -m tools.logs worker

logs-beat: ## What the beat says
	$(READY) nothing -m tools.logs beat

logs-db: ## What the database server says
	$(READY) nothing -m tools.logs db

top: ## Processor and memory of each process
	$(READY) nothing -m tools.stack top

celery-inspect: ## Workers, what they do and what they do next
	$(STACK) -m tools.workers inspect

celery-scheduled: ## When the beat sends each task next
	$(STACK) -m tools.here -- python -m tools.inside.tasks schedule

celery-events: ## Tasks as they are sent, received and done
	$(STACK) -m tools.workers events

flower: ## A page on Celery [FLOWER_PORT= FLOWER_BASIC_AUTH=]
	$(READY) $(if $(filter 1,$(DOCKER)),nothing,flower) -m tools.workers flower

##@ By hand

task-budget-check: ## Look at every campaign, as every five minutes
	$(STACK) -m tools.here -- python -m tools.inside.tasks run budget-check

task-dayparting: ## What time has changed, as every minute
	$(STACK) -m tools.here -- python -m tools.inside.tasks run dayparting

task-daily-reset: ## Record the days that have begun
	$(STACK) -m tools.here -- python -m tools.inside.tasks run daily-reset

task-monthly-reset: ## Record the months that have begun
	$(STACK) -m tools.here -- python -m tools.inside.tasks run monthly-reset

##@ Clean up

clean: ## Remove the caches of Python and the checks
	$(READY) nothing -m tools.clean caches

clean-all: ## Remove .venv and the local data too
	$(READY) nothing -m tools.clean all

dev-reset: ## A fresh database with the sample data
	$(READY) run -m tools.database fill

rebuild: ## Install .venv afresh; with DOCKER=1 build the images afresh
	$(READY) nothing -m tools.clean packages

##@ Find out

help: ## This list
	@echo 'usage: make TARGET [VARIABLE=value ...]'
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z][a-z -]*:.*## / {printf "  %-18s %s\n", $$1, $$2}' Makefile
	@printf '\nFORCE=1 answers yes to a question. DOCKER=1 means the compose stack.\n'

# An older name.
demo-data: setup-test-data
