# What there is to do here. `make` alone prints it.
.DEFAULT_GOAL := help
VENV := .venv/bin/python
READY := .venv/.made-from
# Tests, demo and benchmarks start the SDKs again and again: without bytecode each start takes seconds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo up test sim check kill bench fuzz package
.PHONY: check-format check-lint check-types check-imports check-lock check-paths

help:
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# scripts/setup leaves the stamp as new as the requirements, so that it only runs when they have changed.
$(READY): requirements-dev.txt
	@scripts/setup

setup: $(READY) ## leave .venv with everything that the project runs, tests and is checked with

demo: $(READY) ## break a simulated web app in every way, and watch it being healed
	@$(VENV) -m demo

up: $(READY) ## keep the simulator and the function app running, with the dashboard
	@$(VENV) -m demo up

# Two processes, since many tests wait for programs; a file stays in one, with the programs that its tests share.
# Both would install the same programs at once, so that is done before.
test: $(READY) ## run every test, those with the real Azure CLI and storage API included
	@scripts/azure-cli >/dev/null
	@scripts/azurite >/dev/null
	@$(VENV) -m pytest --numprocesses 2 --dist loadfile $(PYTEST)

sim: $(READY) ## live through simulated nights: SEED=1 RUNS=10000; without SEED others each time
	@$(VENV) -m tests.nights $(if $(SEED),--seed $(SEED)) $(if $(RUNS),--runs $(RUNS)) $(if $(KEEP),--keep $(KEEP))

check: check-format check-lint check-types check-imports check-lock check-paths ## formatter, linter, types, imports, lock files

check-format: $(READY)
	@$(VENV) -m ruff format --quiet --check

check-lint: $(READY)
	@$(VENV) -m ruff check --quiet

check-types: $(READY)
	@$(VENV) -m mypy --no-error-summary

check-imports: $(READY)
	@scripts/check-imports

check-lock: $(READY)
	@scripts/lock --check

check-paths:
	@scripts/check-paths

kill: $(READY) ## kill the function app in the middle of repairs, TIMES=100 times, and see that nothing is lost
	@$(VENV) -m tests.killing $(if $(TIMES),--times $(TIMES)) $(if $(SEED),--seed $(SEED))

bench: $(READY) ## measure, and print a table
	@$(VENV) -m bench

fuzz: $(READY) ## look for inputs that break a promise, each target for SECONDS (60)
	@$(VENV) -m tests.fuzz --seconds $(or $(SECONDS),60)

package: $(READY) ## dist/homeostat.zip, ready to deploy; SPECS=FOLDER puts specs into it
	@$(VENV) -m scripts.package $(if $(SPECS),--specs $(SPECS))
