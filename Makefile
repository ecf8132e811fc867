# Everything is installed into .venv by these targets; a fresh machine needs Python 3.11+ and make.
PYTHON ?= python3
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check
BIN = .venv/bin

.PHONY: demo lab test quick check bench bench-gate widgets clean

demo: .venv/core.stamp            ## record, fail, rewind, edit, resume: in the terminal, without a key
	@$(BIN)/vcr demo

lab: .venv/test.stamp             ## the same in JupyterLab
	$(BIN)/jupyter lab notebooks/

test: .venv/test.stamp browser    ## everything: style, types, all tests
	$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -n 2 -m "not browser and not slow"
	$(BIN)/python -m pytest -m "slow and not browser"
	$(BIN)/python -m pytest -m browser

quick: .venv/test.stamp           ## what a developer runs often
	$(BIN)/python -m pytest -q -n 2 -m "not browser and not slow"

check: .venv/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/test.stamp           ## speed and size beside the peers, as ratios, in one run
	$(BIN)/python -m tests.benchmarks

bench-gate: .venv/test.stamp      ## the same, and fail when a row is far over its bar
	$(BIN)/python -m tests.benchmarks --gate

widgets:                          ## rebuild the front-end bundle (needs Node; the result is committed)
	cd widgets && npm install --no-audit --no-fund && npm run check && npm test && npm run build

.PHONY: browser
browser:
	@sh tests/browser/install_chromium.sh

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/core.stamp: .venv/bin/python pyproject.toml
	$(PIP) -e .
	@touch $@

.venv/test.stamp: .venv/bin/python pyproject.toml
	$(PIP) -e ".[test]"
	@touch $@ .venv/core.stamp

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
