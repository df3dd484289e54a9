# The commands for working on zops. `make` alone lists them.

BIN := .venv/bin
PYTEST_ARGS ?=
BENCH_ARGS ?=

.PHONY: help test lint format docs demo bench lock clean dev run

help:
	@echo 'make test     everything a change must pass (PYTEST_ARGS="-k export" for a part)'
	@echo 'make lint     the checks that run no code'
	@echo 'make format   let ruff correct what it can'
	@echo 'make docs     write the pages of docs/ that follow from the code'
	@echo 'make demo     see zops at work, on an exported organization that comes with it'
	@echo 'make bench    measure (BENCH_ARGS=...)'
	@echo 'make lock     choose the versions in requirements/ anew (needs uv)'
	@echo 'make clean    remove .venv and everything else that can be made again'

dev:
	@tools/venv dev

run:
	@tools/venv run

lint: dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# up to four processes of tests, each with services of its own; tests/conftest.py says how many and the order
test: lint
	$(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

format: dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: dev
	@$(BIN)/python -m tools.docs

demo: run
	$(BIN)/zops demo

bench: dev
	$(BIN)/python -m bench $(BENCH_ARGS)

lock:
	tools/lock

clean:
	rm -rf .venv build dist .cache .*_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
