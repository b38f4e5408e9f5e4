# Verbs of the project; continuous integration calls the same ones.
PYTHON ?= python3
PORT ?= 8000
CLIENTS ?= 10000
DATA ?=
USERS ?= 4
TIME ?= 30s
HOST ?=
LOAD_OPTIONS ?=
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help check-system setup setup-platform demo down test test-slow lint fmt pages load bench-features bench-training lock clean

help: ## show the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

check-system:
	@sh scripts/check-system.sh $(PYTHON)

setup: check-system ## create .venv with everything, tests and tools included
	@sh scripts/install.sh $(PYTHON) dev

setup-platform: check-system
	@sh scripts/install.sh $(PYTHON) $(if $(wildcard .venv/.installed-dev),dev,platform)

demo: setup-platform ## run the whole platform here: data, features, training, serving [PORT= CLIENTS= DATA=]
	@$(BIN)/creditctl demo up --port $(PORT) --clients $(CLIENTS) $(if $(DATA),--data "$(DATA)")

down: ## stop what demo started
	@$(BIN)/creditctl demo down

test: setup ## run the tests, with a coverage report
	$(BIN)/pytest -m "not slow and not cluster" --cov --cov-report=term --cov-report=xml --durations=30

test-slow: setup ## run what takes longer
	$(BIN)/pytest -m slow

lint: setup ## check style, types, import contracts and generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/creditctl features docs --check
	$(BIN)/python scripts/settings_page.py --check
	$(BIN)/python scripts/api_page.py --check
	$(BIN)/python scripts/metrics_page.py --check

fmt: setup ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

pages: setup ## generate the reference pages from the code
	$(BIN)/creditctl features docs
	$(BIN)/python scripts/settings_page.py
	$(BIN)/python scripts/api_page.py
	$(BIN)/python scripts/metrics_page.py

load: setup ## load the running service, the demo's unless told; fails when too slow [USERS= TIME= HOST= LOAD_OPTIONS=]
	@mkdir -p build/load
	$(BIN)/python -m locust -f loadtests/locustfile.py --headless --only-summary -u $(USERS) -r $(USERS) -t $(TIME) \
		$(if $(HOST),--host $(HOST)) --html build/load/report.html --stats-file build/load/stats.csv $(LOAD_OPTIONS)

bench-features: setup ## measure the feature store against Feast's own online path [CLIENTS=]
	$(BIN)/python -m benchmarks.features --clients $(CLIENTS)

bench-training: setup ## measure training and batch scoring against the truth of generated data [CLIENTS=]
	$(BIN)/python -m benchmarks.training --clients $(CLIENTS)

lock: setup ## compile the pinned requirements from pyproject.toml
	sh scripts/lock.sh

clean: ## remove the environment, the demo's data and build products
	rm -rf .venv .platform build dist .coverage coverage.xml
