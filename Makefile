# Everything that a contributor runs. Each target makes what it needs in .venv, once; stamps there say what is installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
PEERS := evidently nannyml datasketches scipy sklearn
PEER_VENVS := $(CURDIR)/.venv-peers
FRAMEWORKS := .venv-integrations
# Many tests wait for servers and disks, so two at a time take two thirds of the time even on one core.
TWICE := --numprocesses auto --maxprocesses 4 --dist loadfile

export PIP_DISABLE_PIP_VERSION_CHECK := 1

UI := $(shell find ui -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/.*' -not -name '*.py' 2>/dev/null)
SOURCE := $(shell find src -type f -not -path '*/__pycache__/*' -not -name page.html -not -path "src/watchkeeper/server/site/*")
PACKAGE := pyproject.toml hatch_build.py $(UI)

.NOTPARALLEL:
.PHONY: help demo test test-long test-peers test-integrations lint format build bench docs screenshots chromium strace clean

help:
	@echo 'make demo         serve a model of flights for nine months in minutes: an incident, an action, a page'
	@echo 'make test         every test that matters (ARGS="-k name" picks some)'
	@echo 'make test-long    those that take minutes: nine months of flights, hundreds of kills, every byte flipped'
	@echo 'make test-peers   the same numbers from Evidently, NannyML, datasketches, SciPy and scikit-learn'
	@echo 'make test-integrations   callbacks in Lightning, Transformers, Keras, TensorFlow, XGBoost, LightGBM, Optuna (3 GB)'
	@echo 'make lint         ruff, mypy'
	@echo 'make format       let ruff format and mend'
	@echo 'make build        wheel and source archive in dist/'
	@echo 'make bench        the tables of benchmarks/'
	@echo 'make docs         generate docs/reference'
	@echo 'make screenshots  renew docs/images'
	@echo 'make clean        remove what these made'

# The demo needs no editable install, but is content with the one that the tests made.
demo: $(VENV)/demo.stamp
	$(BIN)/watchkeeper demo $(ARGS)

test: chromium strace $(VENV)/test.stamp
	$(BIN)/python -m pytest $(TWICE) $(ARGS)

test-long: chromium strace $(VENV)/test.stamp
	$(BIN)/python -m pytest $(TWICE) -m long $(ARGS)

# Each peer has an environment of its own; what it needs is in tests/peers.
test-peers: $(VENV)/test.stamp $(PEERS:%=$(PEER_VENVS)/%.stamp)
	WATCHKEEPER_PEERS=$(PEER_VENVS) $(BIN)/python -m pytest -m peers tests/peers $(ARGS)

$(PEER_VENVS)/%.stamp: tests/peers/%.txt
	@mkdir -p $(PEER_VENVS)
	$(PYTHON) -m venv $(PEER_VENVS)/$*
	$(PEER_VENVS)/$*/bin/python -m pip install --quiet -r $<
	@touch $@

# The frameworks are large, and have an environment of their own. Keras is tried on two of its backends.
test-integrations: $(FRAMEWORKS)/installed.stamp
	OMP_NUM_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=torch $(FRAMEWORKS)/bin/python -m pytest -m integrations tests/integrations $(ARGS)
	OMP_NUM_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow $(FRAMEWORKS)/bin/python -m pytest -m integrations tests/integrations/test_keras_callback.py $(ARGS)

$(FRAMEWORKS)/installed.stamp: $(PACKAGE)
	[ -e $(FRAMEWORKS)/bin/python ] || $(PYTHON) -m venv $(FRAMEWORKS)
	$(FRAMEWORKS)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(FRAMEWORKS)/bin/python -m pip install --quiet --editable . --group integrations
	@touch $@

lint: $(VENV)/lint.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/lint.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

build: $(VENV)/build.stamp
	$(BIN)/python -m build

bench: $(VENV)/bench.stamp
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(VENV)/test.stamp
	$(BIN)/python tools/reference.py

screenshots: chromium $(VENV)/test.stamp
	$(BIN)/python tools/screenshots.py

clean:
	rm -rf $(VENV) $(PEER_VENVS) $(FRAMEWORKS) build dist ui/dist ui/node_modules watchkeeper-demo
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis src/watchkeeper/report/page.html src/watchkeeper/server/site
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pip.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo 'Watchkeeper needs Python 3.11 or later. Name one with: make PYTHON=python3.12 ...' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

# Where the tests' editable install stands it serves; a plain one would take its place and the tests would see a copy.
$(VENV)/demo.stamp: $(VENV)/pip.stamp $(PACKAGE) $(SOURCE)
	@if [ -e $(VENV)/editable.stamp ]; then $(MAKE) -s --no-print-directory $(VENV)/editable.stamp; \
	else echo 'Installing Watchkeeper into $(VENV); the first time takes a minute or two.'; $(BIN)/python -m pip install --quiet '.[demo,server]'; fi
	@touch $@

# Again when the package's description or the page changes; changes of the Python source show by themselves.
$(VENV)/editable.stamp: $(VENV)/pip.stamp $(PACKAGE)
	$(BIN)/python -m pip install --quiet --editable '.[demo,server]'
	@touch $@

$(VENV)/test.stamp $(VENV)/lint.stamp $(VENV)/bench.stamp: $(VENV)/%.stamp: $(VENV)/editable.stamp
	$(BIN)/python -m pip install --quiet --group $*
	@touch $@

$(VENV)/build.stamp: $(VENV)/pip.stamp
	$(BIN)/python -m pip install --quiet build
	@touch $@

chromium:
	@[ -z "$$WATCHKEEPER_CHROMIUM" ] || exit 0; \
	for name in chromium chromium-browser google-chrome google-chrome-stable; do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core; \
	else echo 'The tests open the report in a browser: install the system package chromium (and fonts-dejavu-core) and run this again.' >&2; \
	exit 1; fi

strace:
	@if [ "$$(uname)" != Linux ] || command -v strace >/dev/null; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update && apt-get install -y --no-install-recommends strace; \
	else echo 'The tests watch the order in which a server syncs its files: install the system package strace and run this again.' >&2; \
	exit 1; fi
