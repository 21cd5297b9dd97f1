# Everything one does with this project from a shell. `make` alone lists it.

# `su` without `-` leaves root with a user's PATH, which lacks dockerd, nft and ip.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

PYTHON := .venv/bin/python
HELMLING := .venv/bin/helmling

.DEFAULT_GOAL := help
.PHONY: help setup images demo up down test check fuzz bench proto clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: .venv, Docker Engine, nftables (Debian and Ubuntu, as root)
	@scripts/setup.sh

images: setup ## build the local images from Debian packages
	@$(PYTHON) scripts/with_engine.py $(PYTHON) -m node_agent.images

demo: ## set everything up, start a cluster, and show what it does
	@scripts/setup.sh --without-engine
	@$(PYTHON) scripts/demo.py

up: setup ## start a cluster on this machine, in the background
	@$(HELMLING) up

down: ## stop the cluster; its state stays for the next `make up`
	@$(HELMLING) down

test: ## set everything up and pass the tests; ARGS="-k name" goes to pytest, "-n0" is one at a time
	@scripts/setup.sh --dev
	@$(PYTHON) scripts/with_engine.py scripts/test.sh $(ARGS)

check: ## linters, types, import rules, and that generated code is up to date
	@scripts/setup.sh --dev --without-engine
	@scripts/check.sh

fuzz: ## send the API server what nobody would, for a minute; ARGS="-max_total_time=3600" goes to libFuzzer
	@scripts/setup.sh --dev --without-engine
	@$(PYTHON) -m pip install -q --disable-pip-version-check -C editable_mode=compat -e '.[fuzz]'
	@$(PYTHON) -m tests.fuzz -max_total_time=60 $(ARGS)

bench: ## measure beside the bare engine, and print ratios
	@scripts/setup.sh --bench
	@$(PYTHON) scripts/with_engine.py $(PYTHON) -m bench

proto: ## generate code from proto/v1/*.proto
	@scripts/setup.sh --dev --without-engine
	@$(PYTHON) proto/generate.py

clean: ## remove .venv and the tools' caches; never a cluster's state
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
