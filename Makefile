# Two commands do everything on a fresh machine with Python 3.11+ and make:
#   make demo    install, train on the digits, show the result beside its baselines
#   make test    install, run the tests
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    := runs/digits-demo
TSC    := .node/node_modules/.bin/tsc

.PHONY: help demo test check check-page proof bench faults clean

help:
	@echo "make demo   install and train a network on the digits (run folder: $(RUN))"
	@echo "make test   install and run the tests"
	@echo "make check  formatting, lint, types, layering, docstrings, links"
	@echo "make proof  the long tests, every published fact, and networks for images on real data (four hours)"
	@echo "make bench  speed ratios against scikit-learn and eager PyTorch, for tables, images and Boltzmann machines"
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
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory check-page; \
	  else echo "not checked: the types of the playground's page, for which TypeScript needs node and npm" >&2; fi

# The page's modules carry their types in comments; TypeScript reads them and makes nothing.
$(TSC):
	npm install --silent --no-fund --no-audit --prefix .node typescript@7.0.2

check-page: $(TSC)
	$(TSC) --project tsconfig.json

proof: $(VENV)/.dev
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -m slow
	$(BIN)/strata verify --full
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/vision_proofs.py; pictures=$$?; \
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/autoencoders.py && exit $$pictures

bench: $(VENV)/.dev
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/speed.py; tables=$$?; \
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/vision_speed.py; images=$$?; \
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/autoencoders.py --only speed; codes=$$?; \
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/rbm_speed.py; machines=$$?; \
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/playground.py && exit $$((tables + images + codes + machines))

faults: $(VENV)/.dev
	$(BIN)/python benchmarks/diagnosis.py --half report
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python benchmarks/evidence.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .node .pytest_cache .hypothesis runs
