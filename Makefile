# Two commands do everything on a fresh machine with Python 3.11+ and make:
#   make demo    install, train on the digits, show the result beside its baselines
#   make test    install, run the tests
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := runs/digits-demo

.PHONY: help demo test check proof bench faults clean

help:
	@echo "make demo   install and train a network on the digits (run folder: $(RUN))"
	@echo "make test   install and run the tests"
	@echo "make check  formatting, lint, types, layering, docstrings, links"
	@echo "make proof  the long tests, every published fact, and networks for images on real data (two hours)"
	@echo "make bench  speed ratios against scikit-learn and eager PyTorch, for tables and for images"
	@echo "make faults the fault bench of the diagnosis, and what gathering evidence costs"
	@echo "make clean  remove the environment and what was built"

$(VENV)/.core: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "strata needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/.core
	$(BIN)/strata train digits --out $(RUN) --force

test: $(VENV)/.dev
	$(BIN)/python tools/warm_up.py
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/house
	$(BIN)/python tools/check_docstrings.py
	$(BIN)/python tools/check_links.py

proof: $(VENV)/.dev
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -m slow
	$(BIN)/strata verify --full
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/vision_proofs.py

bench: $(VENV)/.dev
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/speed.py; tables=$$?; \
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/vision_speed.py && exit $$tables

faults: $(VENV)/.dev
	$(BIN)/python benchmarks/diagnosis.py --half report
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/evidence.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis runs
