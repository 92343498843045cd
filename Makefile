# Goodparts: `make` alone lists what there is.
.DEFAULT_GOAL := help
PYTHON ?= python3
export PIPENV_VENV_IN_PROJECT := 1
export PIPENV_VERBOSITY := -1
PIPENV := $(or $(shell command -v pipenv),.pipenv/bin/pipenv)

.PHONY: help setup demo test test-all lint format notebooks docs bench

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

setup: .venv/.ready ## Pipenv, the environment and what OpenCV needs of the system

demo: setup ## the main job on the embedded data, several minutes on two cores
	@$(PIPENV) run demo

test: setup lint ## the tests, a few minutes; real data are used where REAL_DATA is set
	@$(PIPENV) run pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow and not gpu"

test-all: setup lint ## the slow ones too
	@$(PIPENV) run pytest

lint: setup ## ruff and mypy
	@$(PIPENV) run ruff check .
	@$(PIPENV) run ruff format --check .
	@$(PIPENV) run mypy

format: setup ## ruff, in place
	@$(PIPENV) run ruff check --fix .
	@$(PIPENV) run ruff format .

notebooks: setup ## the .ipynb anew from their .py sources, run on the embedded data
	@$(PIPENV) run python3 notebooks/make.py

docs: .venv/.docs ## the documentation as a site, into docs/_build
	@$(PIPENV) run sphinx-build -W --keep-going --quiet docs docs/_build
	@echo docs/_build/index.html

bench: setup ## speed and quality figures into benchmarks/results
	@$(PIPENV) run python3 benchmarks/loader.py
	@$(PIPENV) run python3 benchmarks/near_duplicates.py
	@$(PIPENV) run python3 benchmarks/main_job.py
	@$(PIPENV) run python3 benchmarks/transfer_learning.py
	@$(PIPENV) run python3 benchmarks/transfer_speed.py
	@$(PIPENV) run python3 benchmarks/visual_words.py
	@$(PIPENV) run python3 benchmarks/ensembles.py
	@$(PIPENV) run python3 benchmarks/promises.py
	@$(PIPENV) run python3 benchmarks/thresholds.py
	@$(PIPENV) run python3 benchmarks/open_set.py
	@$(PIPENV) run python3 benchmarks/one_class.py
	@$(PIPENV) run python3 benchmarks/event_log.py
	@$(PIPENV) run python3 benchmarks/alarms.py
	@$(PIPENV) run python3 benchmarks/connections.py
	@$(PIPENV) run python3 benchmarks/live_runner.py --work runs/.live
	@$(PIPENV) run python3 benchmarks/strange_scenes.py --work runs/.live
	@$(PIPENV) run python3 benchmarks/live_faults.py --work runs/.live

.venv/.ready: Pipfile.lock pyproject.toml | $(PIPENV)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "Goodparts needs Python 3.11, 3.12 or 3.13. Name one: make PYTHON=python3.12 setup"; \
	  exit 2; }
	@$(PIPENV) sync --dev --python "$(PYTHON)"
	@docker/opencv_libraries.sh .venv/bin/python
	@touch $@
	@command -v pipenv > /dev/null || \
	  echo "Pipenv is not on your PATH: write .pipenv/bin/pipenv run ... or 'pip install pipenv'"

.venv/.docs: .venv/.ready
	@$(PIPENV) sync --categories docs
	@touch $@

.pipenv/bin/pipenv:
	@$(PYTHON) -m venv .pipenv || { rm -rf .pipenv; \
	  echo "Python cannot make environments here. On Debian or Ubuntu: apt-get install python3-venv"; \
	  exit 2; }
	@.pipenv/bin/pip install --quiet --disable-pip-version-check pipenv || { rm -rf .pipenv; exit 2; }
