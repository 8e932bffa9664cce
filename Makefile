# Everything a contributor or CI types. Stamps under $(VENV) make second calls quick.
PYTHON ?= python3
VENV ?= .venv
OMP_NUM_THREADS ?= 1
PYTEST_ARGS ?= -n 2 --dist loadfile --benchmark-disable
export OMP_NUM_THREADS

BIN := $(VENV)/bin
CODE := harness tasks baselines reports
# Folders too: one that loses a file changes its date, so that a deleted module is uninstalled.
SOURCES := $(shell find $(CODE) -name __pycache__ -prune -o \( -type f -o -type d \) -print)
TORCH := $(VENV)/.stamp-torch
DEPENDENCIES := $(VENV)/.stamp-dependencies
INSTALLED := $(VENV)/.stamp-installed
PEERS := $(VENV)/.stamp-peers
PEERS_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help venv quickstart test lint types bench peers nano gate-live components aa-grid classifier-loss clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

venv: $(INSTALLED)  ## create $(VENV) and install the package with tested versions

# The pinned torch goes first: resolved together with the rest, a newer build may win.
$(TORCH): constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0 setuptools
	touch $@

$(DEPENDENCIES): pyproject.toml constraints.txt $(TORCH)
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	  print(*p["dependencies"], *p["optional-dependencies"]["test"], sep="\n")' > $(VENV)/wanted.txt
	$(BIN)/python -m pip install -q -c constraints.txt -r $(VENV)/wanted.txt
	touch $@

# Not editable: tests and types see what a user would install. A left-over build folder would
# smuggle deleted modules into the wheel.
$(INSTALLED): $(DEPENDENCIES) $(SOURCES)
	rm -rf build *.egg-info
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation --force-reinstall .
	rm -rf build *.egg-info
	touch $@

quickstart: venv  ## install, run the preset quick, print the table and the path of the report
	$(BIN)/rsft-bench run --preset quick

test: venv  ## install and run the tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: venv  ## ruff
	$(BIN)/ruff check $(CODE) tests tools examples
	$(BIN)/ruff format --check $(CODE) tests tools examples

types: venv  ## mypy, strict, on the installed package (all four parts)
	$(BIN)/mypy -p rsft_bench

# The first run has nothing to compare with; later ones compare with the one before.
bench: venv  ## time the hot paths, keep the numbers, compare with the last ones
	$(BIN)/python -m pytest tests/bench/test_bench.py --benchmark-enable --benchmark-only \
	  --benchmark-storage=file://.benchmarks --benchmark-autosave \
	  --benchmark-columns=min,median,stddev,rounds \
	  $$(find .benchmarks -name '*.json' 2>/dev/null | grep -q . && echo --benchmark-compare)

$(PEERS): pyproject.toml constraints.txt $(DEPENDENCIES)
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	  print(*p["optional-dependencies"]["bench"], sep="\n")' > $(VENV)/wanted-peers.txt
	$(BIN)/python -m pip install -q -c constraints.txt -r $(VENV)/wanted-peers.txt
	touch $@

peers: venv $(PEERS)  ## our parts beside their peers, one table (PEERS_ARGS="--parts training")
	$(BIN)/python tests/bench/peers.py $(PEERS_ARGS)

nano: venv  ## train the packaged policy again into build/nano-1 (about an hour on two cores)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m rsft_bench.harness.policies.nano_training \
	  --out build/nano-1 --seed 1 \
	  --suite rsft_bench.tasks.order_status:ORDER_STATUS \
	  --suite rsft_bench.tasks.returns_refunds:RETURNS_REFUNDS

gate-live: venv  ## ten live A/A runs through the gate
	$(BIN)/python tools/gate_live.py

components: venv  ## record 12 seeds of smoke and fit the components that the gate's tests simulate
	$(BIN)/python tools/record_components.py

aa-grid: venv  ## measure the A/A grid of law L17 into docs/aa-grid.md
	$(BIN)/python tools/aa_grid.py

classifier-loss: venv  ## measure what softmax before cross-entropy costs, into docs/classifier.md
	$(BIN)/python tools/classifier_loss.py

clean:  ## remove caches and build output; keeps $(VENV) and runs/
	rm -rf build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
	find . -name __pycache__ -not -path './$(VENV)/*' -type d -exec rm -rf {} +
