# The two commands of the README: `make demo` and `make test`. Each sets up all it needs.
# Variables: PYTHON (3.11+), TORCH_INDEX (a package index with the CPU build of torch, where the
# default index would bring the CUDA one), PIP_ARGS.

# The first that really runs: a version manager's name may exist without its Python.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
  $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV := .venv
BIN := $(VENV)/bin
# FAISS for the GPU where a driver answers, for the CPU otherwise; both wheels own one folder, so
# never both.
FAISS := $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
PIP := $(BIN)/python -m pip --disable-pip-version-check $(PIP_ARGS)

.PHONY: demo test lint types contracts unit trust trust-full bench audit lock sbom results picture clean help

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/'

demo: $(VENV)/.run ## a made-up company, trained and served with a scripted customer
	$(BIN)/neurobot demo

test: lint types contracts unit ## everything a change must pass

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## times faster than what one would pick instead; BENCH=--growth draws how it grows
	TORCH_INDEX=$(TORCH_INDEX) $(BIN)/neurobot bench peers $(BENCH)

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

trust: $(VENV)/.dev ## every promise of docs/promises.md, a line each, in ten minutes
	TRUST_PROFILE=short TEST_KILLS=50 $(PROVE)

trust-full: $(VENV)/.dev ## the same at full size: more kills, more bodies, every screen in every look
	TRUST_PROFILE=full TEST_KILLS=200 $(PROVE)
PROVE = $(BIN)/python -m pytest -q -n 2 --dist loadfile --promises=build/trust.json

audit: $(VENV)/.dev ## known weaknesses of the installed libraries; fails where that cannot be asked
	@$(BIN)/python -m pip_audit --version >/dev/null 2>&1 || $(PIP) install -q 'pip-audit>=2.9'
	@mkdir -p build
	@$(BIN)/python -m pip freeze --exclude-editable | sed -E 's/[+][a-z0-9.]+$$//' > build/installed.txt
	@$(BIN)/python -m pip_audit --strict --disable-pip --no-deps -r build/installed.txt || { echo \
	  "Not audited: a weakness is named above, or the data of the package index was not reached." >&2; exit 1; }

lock: $(VENV)/.dev ## uv.lock anew: the version and the SHA-256 of everything that is installed
	$(UV) lock --upgrade

sbom: $(VENV)/.dev ## build/sbom.json: all of uv.lock that a server installs, as CycloneDX
	@mkdir -p build
	$(UV) export --quiet --frozen --extra cpu --format cyclonedx1.5 -o build/sbom.json >/dev/null
UV = $(BIN)/python -m uv --version >/dev/null 2>&1 || $(PIP) install -q 'uv>=0.9'; $(BIN)/python -m uv

results: $(VENV)/.dev ## the figures of docs/results.md, an hour; DATA names a folder with the corpora
	$(BIN)/neurobot evaluate results $(DATA) --write docs/results.md
DATA ?= ../shared/data

picture: $(VENV)/.dev ## the README's picture, from the tests' browser
	TRUST_PROFILE=short TEST_PICTURE=docs/desk.png $(BIN)/python -m pytest -q tests/e2e/screens

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || \
	  { echo "Neurobot needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: $(VENV)/bin/python
	$(if $(TORCH_INDEX),$(PIP) install -q --index-url $(TORCH_INDEX) "torch>=2.11$(comma)<2.14")
	@touch $@
comma := ,

$(VENV)/.run: $(VENV)/.torch pyproject.toml
	$(PIP) install -q -e '.[$(FAISS)]'
	@touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml
	$(PIP) install -q -e '.[$(FAISS),dev]'
	@touch $@ $(VENV)/.run

clean: ## remove what the commands made, not your data
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
