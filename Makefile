# Thin on purpose: each target is one command of a tool, after setting up what is missing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps

# two a core, for tests mostly wait; each takes up to a gigabyte, with a product and a browser of its own
PROCESSES ?= $(shell $(PYTHON) -c 'import os; print(min(2 * os.cpu_count(), 8))')
PYTEST = $(BIN)/python -m pytest -n $(PROCESSES) --dist loadgroup $(if $(K),-k "$(K)") $(FILE)

.DEFAULT_GOAL := help
.PHONY: help run dev test test-all coverage check format bench wheel migrate-data backup restore compose-test screenshots requirements browser clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

run: $(STAMPS)/run ## Start everything, print the address, stop with Ctrl-C
	@exec $(BIN)/python -m runlane run

dev: $(STAMPS)/run ## The same, with hot reload
	@exec $(BIN)/python -m runlane run --dev

test: $(STAMPS)/dev browser ## Run what a change needs, on SQLite; FILE=… and K=… choose a part
	@exec $(PYTEST)

test-all: $(STAMPS)/dev browser ## The same, PostgreSQL where a database matters, and the long faults
	@exec $(PYTEST) --all

coverage: $(STAMPS)/dev browser ## Run test-all and say which lines and branches of the core and the worker it missed
	@exec $(PYTEST) --all --cov

check: $(STAMPS)/dev ## Check format, lint, types, who imports whom, and what Kubernetes is given
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m tools.manifests

format: $(STAMPS)/dev ## Format the code and mend what lint can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMPS)/dev browser ## Measure; prints a table and writes bench/results/
	@$(BIN)/python -m bench.measure
	@$(BIN)/python -m bench.engine
	@$(BIN)/python -m bench.own_code
	@$(BIN)/python -m bench.plain

wheel: $(STAMPS)/run ## Build dist/runlane-*.whl, with the built pages in it
	@exec $(BIN)/python -m tools.wheel

migrate-data: $(STAMPS)/run ## Move a history: FROM=sqlite:///… TO=postgresql://…; safe to run again
	@exec $(BIN)/python -m runlane copy --from "$(FROM)" --to "$(TO)"

backup: FILE ?= backups/runlane-$(shell date -u +%Y%m%dT%H%M%SZ).db
backup: $(STAMPS)/run ## Write all of the database to a file, while it is used; FILE=… names it
	@mkdir -p "$(dir $(FILE))"
	@exec $(BIN)/python -m runlane backup "$(FILE)"

restore: $(STAMPS)/run ## Bring back FILE=… into the database; REPLACE=1 removes what is there first
	@exec $(BIN)/python -m runlane restore "$(FILE)" $(if $(REPLACE),--replace)

compose-test: ## Start the compose file with a real engine, kill each service in turn, run a job after each
	@sh tools/compose-test

screenshots: $(STAMPS)/dev browser ## Draw every page and state into docs/screenshots/
	@$(BIN)/python -m tools.screenshots

requirements: $(STAMPS)/dev ## Pin requirements.txt and requirements-dev.txt again
	sh tools/pin-requirements $(BIN)/uv

browser: $(STAMPS)/dev ## Install a browser for tests if there is none
	@sh tools/install-browser $(BIN)/python

clean: ## Remove everything that was made here; your data in .data stays
	rm -rf $(VENV) .web .states dist .pytest_cache .mypy_cache .ruff_cache .coverage htmlcov

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; this is %d.%d. Name another one: make PYTHON=/path/to/python" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# --no-deps: the list is complete, and pip alone would refuse arq beside redis 7 (see requirements.txt);
# --editable: the command .venv/bin/runlane runs what is in this folder
$(STAMPS)/run: $(STAMPS)/venv requirements.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt --editable .
	@touch $@

$(STAMPS)/dev: $(STAMPS)/run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-dev.txt
	@touch $@
