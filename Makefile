# gatewayd: `make demo` shows it working, `make test` checks all of it. Both need Python 3.11+, make and git, nothing else.

VENV := .venv
BIN := $(VENV)/bin
UV := uv==0.13.9
ARGS ?=
PIP := $(BIN)/pip --disable-pip-version-check --no-input
PROJECT := setup.cfg pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo test core check format tools recordings bench screenshots lock clean

help: ## Show the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 18

demo: $(VENV)/runtime.installed ## Serve a demonstration with a simulated provider (ARGS=--once: one message, then stop)
	@$(BIN)/gatewayd demo $(ARGS)

test: tools check core ## Set up what the tests need, run every check and test (ARGS: passed to pytest)
	$(BIN)/python -m pytest $(ARGS)

core: $(VENV)/dev.installed ## Test every branch of the protocol core, without the help of random input
	$(BIN)/coverage run -m pytest -q -m "not hypothesis" tests/protocol
	$(BIN)/coverage report --fail-under=100 --skip-covered --show-missing

check: $(VENV)/dev.installed ## Format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev.installed ## Format the code and apply the safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

tools: ## Set up the programs that tests need: PostgreSQL, Redis, Chromium, Claude Code, the TypeScript SDK
	@scripts/setup-test-tools

recordings: $(VENV)/dev.installed ## Replay recorded provider answers through a running gateway
	$(BIN)/python -m tests.recordings $(ARGS)

bench: $(VENV)/dev.installed ## Measure
	$(BIN)/python -m bench $(ARGS)

screenshots: $(VENV)/dev.installed ## Take pictures of every page of the UI, those of the documentation too (ARGS: a folder)
	$(BIN)/python -m tests.admin.screenshots $(ARGS)

# `make lock` keeps what is pinned and still allowed; `make lock ARGS=--upgrade` takes the newest.
LOCK = $(BIN)/uv pip compile setup.cfg --universal --python-version 3.11 --generate-hashes --no-annotate --quiet \
	--no-config --custom-compile-command "make lock" $(ARGS)
lock: $(VENV)/created ## Write requirements.lock and requirements-dev.lock from setup.cfg
	$(PIP) install --quiet $(UV)
	$(LOCK) --extra dev --output-file requirements-dev.lock
	$(LOCK) --extra redis --constraint requirements-dev.lock --output-file requirements.lock

clean: ## Remove everything that make made
	rm -rf $(VENV) .cache build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# The stamps say what was installed from which lock, so that a second run installs nothing.
$(VENV)/created:
	@python=$$(PYTHON="$(PYTHON)" scripts/find-python) && rm -rf $(VENV) && "$$python" -m venv $(VENV) && touch $@

$(VENV)/runtime.installed: $(VENV)/created requirements.lock $(PROJECT)
	@echo "Installing gatewayd into $(VENV) …"
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.installed: $(VENV)/created requirements-dev.lock $(PROJECT)
	@echo "Installing gatewayd and its test tools into $(VENV) …"
	@$(PIP) install --quiet --require-hashes -r requirements-dev.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $(VENV)/runtime.installed $@
