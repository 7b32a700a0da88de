# The whole life of the project in one file. `make demo` and `make test` are all a newcomer needs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all check lint types docs bench clean

# Scan the bundled example with the bundled model; prints the calls and leaves them in demo.bed.
demo: .venv/ready
	$(BIN)/dnabert scan models/example/genome.fa --task prom -o demo.bed --force
	@cat demo.bed
	@echo "the calls lie in demo.bed"

# The default suite; real data and reference outputs are used where DNABERT_DATA and
# DNABERT_ORACLE point to them.
test: .venv/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test-all: .venv/ready-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# All that can be checked without running a test.
check: lint types
	$(BIN)/python tests/make_cli_reference.py --check

lint: .venv/ready-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

types: .venv/ready-dev
	$(BIN)/mypy

docs: .venv/ready-dev
	$(BIN)/python tests/make_cli_reference.py

# Ratios to references measured in the same run; do nothing else meanwhile.
bench: .venv/ready-dev
	$(BIN)/python tests/bench/run_all.py

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "dnabert needs Python 3.11 or newer: make PYTHON=python3.12 demo"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/ready-dev: .venv/ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache .import_linter_cache dist demo.bed
