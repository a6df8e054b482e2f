# Every target first makes .venv: set-up takes a minute or two, once (longer where PyTorch brings CUDA with it).
# PYTHON is any Python >= 3.11: make demo PYTHON=python3.12

ifndef PYTHON
PYTHON := $(shell for each in python3.11 python3.12 python3.13 python3; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$each && break; done)
endif

BIN := .venv/bin
STAMP := .venv/.installed
NOTEBOOKS := $(filter-out notebooks/whole_body.ipynb,$(wildcard notebooks/*.ipynb))  # a body takes minutes: a test runs it on two tissues
WORKERS ?= 2
MODEL ?= ccm
MODEL_OPTIONS_wholebody_core := --steps 2400 --minutes 45
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope

.PHONY: help env demo test test-slow lab app model benchmark lint docs clean
.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST) | expand -t 12

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "fluxkit needs Python 3.11 or later: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "making .venv with $(PYTHON)"; $(PYTHON) -m venv .venv; }
	@echo "installing fluxkit and what it needs into .venv"
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt \
		--editable ".[test,dev]"
	@touch $@

env: $(STAMP)  ## make .venv

demo: $(STAMP)  ## quantify HCT116 cells, control and PHGDH inhibitor, into results/hct116
	@$(BIN)/python -m fluxkit run quantify --out results/hct116

test: $(STAMP)  ## run every test that is not slow, and the notebooks
	@$(PYTEST) $(if $(NOTEBOOKS),--nbval-lax --nbval-current-env) tests $(NOTEBOOKS)

test-slow: $(STAMP)  ## run the slow tests
	@$(PYTEST) -m slow tests

lab: $(STAMP)  ## open JupyterLab on the notebooks
	@$(BIN)/jupyter lab --notebook-dir . notebooks

app: $(STAMP)  ## open the teaching app in Voila
	@$(BIN)/voila notebooks/teaching_app.ipynb

model: $(STAMP)  ## train a shipped model again, or go on where that was interrupted (MODEL=ccm or wholebody_core)
	@OMP_NUM_THREADS=1 $(BIN)/python -m fluxkit train --network $(MODEL) $(MODEL_OPTIONS_$(MODEL)) --resume \
		--out fluxkit/learning/models/$(MODEL)

benchmark: $(STAMP)  ## measure speed, accuracy and calibration again
	@set -e; for each in simulator sampler plain_mlp quantify verdict whole_body mice widgets notebooks; do $(BIN)/python benchmarks/$$each.py; done

lint: $(STAMP)  ## check style, format and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(STAMP)  ## build the documentation pages into results/site
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs results/site
	@echo "results/site/index.html"

clean:  ## remove results and caches; .venv stays
	@rm -rf results build dist fluxkit.egg-info lightning_logs .pytest_cache .ruff_cache .hypothesis
	@find fluxkit tests benchmarks notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) \
		-prune -exec rm -rf {} + 2>/dev/null || true
