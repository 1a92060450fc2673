# Needs python3 (3.11 or newer), make and PyPI; everything else comes into .tools and .venv, at locked versions.
UV_VERSION := 0.13.9
PYTHON ?= python3
STORE ?= ./store
SERVE ?= 1
UV := .tools/bin/uv
export UV_PYTHON_DOWNLOADS := never

.PHONY: help setup demo test lint clean

help: ## Show what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(UV): Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V); Python 3.11 or newer is needed: make PYTHON=python3.12 …" >&2; exit 2; }
	@$(PYTHON) -m venv .tools || { echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

setup: $(UV) ## Install everything, as locked
	@$(UV) sync --locked --python $(PYTHON)

demo: setup ## Search, promote, predict and serve on scikit-learn's digits (SERVE=0 ends after the predictions)
	@$(UV) run --locked atelier up --values values/quickstart.yaml --store $(STORE) $(if $(filter 0,$(SERVE)),--no-serve)

test: lint ## Run every test that needs no cluster
	@$(UV) run --locked pytest --numprocesses=logical --dist=loadfile

lint: setup
	@$(UV) run --locked ruff check
	@$(UV) run --locked ruff format --check
	@$(UV) run --locked mypy

clean: ## Remove what was installed; stores stay
	rm -rf .tools .venv .mypy_cache .ruff_cache .pytest_cache
