# Two commands matter: `make run` (the main job on this machine) and `make test` (everything that is checked).
# Both start from a bare Debian 12 with Python 3.11, make and root; deploy/setup.sh does what is missing.

PYTHON ?= python3
BIN := .venv/bin
# Processes that share the tests of `make test`: one more than two cores, for many tests wait for a peer or a disk.
# tests/conftest.py says which tests stay together.
TEST_PROCESSES ?= 3
RUN_COMMAND ?= $(BIN)/passerelle dev
BENCH_COMMAND ?= $(BIN)/python -m bench
DOCS_COMMAND ?= $(BIN)/passerelle schema --write docs/reference
SETUP := PYTHON="$(PYTHON)" sh deploy/setup.sh

# Tests start some hundred Python processes: each would compile the engine anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check soak corpus bench docs coverage-report wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)$$/  make \1	\2/p' Makefile

run: .venv/ready-run ## set up, then run the engine beside three simulated clinics
	exec $(RUN_COMMAND)

# Types are checked beside the tests; what mypy says comes last, where it is seen.
test: lint ## lint, types, import rules and all tests (Debian packages and servers included)
	@types=$$(mktemp); $(BIN)/mypy >"$$types" 2>&1 & checking=$$!; \
	$(BIN)/pytest -q -n $(TEST_PROCESSES) --dist loadgroup --no-loadscope-reorder; tested=$$?; \
	wait $$checking; checked=$$?; cat "$$types"; rm -f "$$types"; \
	exit $$((tested ? tested : checked))

check: lint ## lint, types and import rules only
	$(BIN)/mypy

.PHONY: lint
lint: .venv/ready-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

soak: .venv/ready-test ## random faults for a long time, a line of figures for each
	$(BIN)/python -m pytest -q -p tests.figures -m soak

corpus: .venv/ready-test ## every HL7 v2 message of ../shared/corpus: codec, leaves, sockets; prints the counts
	@test -d ../shared/corpus/messages || { echo "make corpus: there is no ../shared/corpus/messages" >&2; exit 1; }
	$(BIN)/pytest -q -rP --show-capture=stdout -m "soak or not soak" tests/codecs/hl7v2/test_corpus.py tests/corpus/test_socket.py

bench: .venv/ready-test ## measure, into bench/RESULTS.md
	$(BENCH_COMMAND)

docs: .venv/ready-run ## regenerate docs/reference from the models
	$(DOCS_COMMAND)

coverage-report: .venv/ready-test ## what the shipped mappers carry, into docs/reference/mapper-coverage.md
	$(BIN)/python -m bench.coverage

wheel: .venv/ready-test ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean: ## remove what can be made again; var/ and certs/ hold data and stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready-run: pyproject.toml deploy/setup.sh
	$(SETUP) run

.venv/ready-test: pyproject.toml deploy/setup.sh
	$(SETUP) test
