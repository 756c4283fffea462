# `make up` serves the handbook on http://127.0.0.1:8000; `make test` runs all tests. Both set themselves up.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .plumbline/stamps
PORT ?= 8000

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: built ## Set up, then serve site, search, diagnostics and lab on 127.0.0.1
	@$(BIN)/plumb up --port $(PORT)

test: $(STAMPS)/installed $(STAMPS)/system ## Set up, then run all tests, proofs included
	@bash deploy/test.sh

prove: $(STAMPS)/installed $(STAMPS)/system index ## Prove every guide and record it
	@$(BIN)/plumb prove --record

bench: $(STAMPS)/installed index ## Measure the search, then gateway and deployment beside their peers (under an hour)
	@bash deploy/bench.sh
	@bash deploy/bench.sh --streaming
	@bash deploy/bench.sh --deployment

soak: $(STAMPS)/installed ## Load the gateway with faults for an hour (SOAK_SECONDS)
	@$(BIN)/python benchmarks/streaming/soak.py

fuzz: $(STAMPS)/fuzz ## Fuzz the gateway's protocol for FUZZ_S seconds a target (60)
	@bash deploy/fuzz.sh

docs: site ## Build the site with both builders, strictly
	@bash deploy/site.sh --both

lint: $(STAMPS)/installed ## ruff, mypy --strict, import-linter, plumb check
	@bash deploy/lint.sh

built: $(STAMPS)/installed # side by side: the search index takes one core for two minutes the first time
	@$(MAKE) --no-print-directory -j 2 index site

index: $(STAMPS)/installed
	@$(BIN)/plumb index

site: $(STAMPS)/installed
	@bash deploy/site.sh

$(STAMPS)/installed: pyproject.toml constraints.txt
	@PYTHON="$(PYTHON)" VENV="$(VENV)" bash deploy/install.sh
	@mkdir -p $(@D) && touch $@

$(STAMPS)/fuzz: $(STAMPS)/installed
	@$(BIN)/pip install --quiet --constraint constraints.txt --group fuzz
	@touch $@

$(STAMPS)/system: deploy/system.sh
	@bash deploy/system.sh
	@mkdir -p $(@D) && touch $@

clean: ## Remove what was built (not the virtual environment)
	rm -rf .plumbline site site-zensical dist build

.PHONY: help up built test prove bench soak fuzz docs lint index site clean
