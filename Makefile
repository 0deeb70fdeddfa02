# make app    install into .venv and open the dashboard
# make test   install what tests need and run them all, two at a time;
#             make test PYTEST_ARGS="-k words" those whose names have these words, one by one
# make bench  install the peers and measure this engine beside them
# make test-exchange  networks out to other libraries and in again, and the table of docs/formats.md
# make site   the app as a folder of static files, site/; make serve-site shows it on this machine
# The environment is made anew when what it is made from changes. It holds the very versions that
# were tested, constraints.txt; make app PINS= takes whatever is the newest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -n 2
VISITORS ?= 50
PINS ?= -c constraints.txt
PIP := pip install --quiet --disable-pip-version-check
# What is built here is built with the setuptools that is installed.
INSTALL := $(PIP) --no-build-isolation
# pillow 10.0 has no wheels for a newer Python.
OLDEST_PYTHON ?= python3.11
OLDEST := .venv-oldest

EXCHANGE := .venv-exchange

.PHONY: app test test-oldest test-exchange constraints lint types load bench site serve-site clean

app: $(VENV)/.app
	$(BIN)/nnengine app

test: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# The engine, the pages and the wheel at the lower bound of everything declared. Not the browsers,
# which draw the same pages, and have Streamlit 1.62 in the static site; not the load, which speaks
# the newest Streamlit's tongue; not what measures time, needs a linker or the real data, or has our
# own readers meet thousands of damaged files; not what asks nothing of any dependency: what the
# sources and the documents say, how the system ends a command, who serves and fetches files.
# Kernels are kept apart, or the two versions of numba would throw out each other's.
test-oldest: $(OLDEST)/.made
	NUMBA_CACHE_DIR=$(CURDIR)/$(OLDEST)/kernels NNENGINE_DATA=$(CURDIR)/$(OLDEST) \
	  $(OLDEST)/bin/python -m pytest $(PYTEST_ARGS) --ignore=tests/browser --ignore=tests/load \
	  --ignore-glob='*/test_bench.py' --ignore-glob='*/test_wasm*.py' \
	  --ignore-glob='*/test_fuzz.py' --ignore-glob='*/test_docs.py' \
	  --ignore-glob='*/test_imports.py' --ignore-glob='*/test_security.py' \
	  --ignore-glob='*/test_cli_ends.py' --ignore-glob='*/test_serve.py' \
	  --ignore-glob='*/test_catalogue.py'

# Every format of other libraries, in and out, each read by its own, PyTorch among them, in an
# environment of their own: TensorFlow, OpenCV 5 and what runs under Node have theirs beside it
# (make test-exchange BESIDE= leaves these out). gcc and node are asked where they are.
BESIDE ?= $(EXCHANGE)-tf/.made $(EXCHANGE)-cv5/.made $(EXCHANGE)-node/.made
test-exchange: $(EXCHANGE)/.made $(BESIDE)
	$(EXCHANGE)/bin/python -m pytest $(PYTEST_ARGS) tests/exchange
	$(EXCHANGE)/bin/python -m tests.exchange.readers

# The newest versions that the bounds admit become those that are installed: then run .ci/run.
# Nothing that this machine alone prescribes is to get in, hence no configuration of pip.
constraints: export PIP_CONFIG_FILE := /dev/null
constraints: export PIP_CONSTRAINT :=
constraints:
	$(call frozen,$(PYTHON),-e '.[test]' -e '.[site]',constraints.txt)
	$(call frozen,$(OLDEST_PYTHON),-r requirements-oldest.txt -e .,constraints-oldest.txt)

# $(call frozen,PYTHON,WHAT,FILE): a new environment for WHAT, and the versions it got as FILE
define frozen
	rm -rf .venv-new
	$(1) -m venv .venv-new
	.venv-new/bin/$(PIP) $(2)
	(echo "# Written by make constraints: what is installed for tests, and was tested."; \
	  .venv-new/bin/pip list --format=freeze --exclude nnengine --exclude pip) > $(3).new
	mv $(3).new $(3)
	rm -rf .venv-new
endef

lint: types
	$(BIN)/ruff check nnengine dashboard tests benchmarks examples
	$(BIN)/ruff format --check nnengine dashboard tests benchmarks examples

# pyright would ask whether there is a newer one.
types: export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
types: $(VENV)/.test
	$(BIN)/pyright --pythonpath $(BIN)/python

# So many visitors training at once against the real server, for a minute (make load VISITORS=10);
# then more large files at once than it has room for.
load: $(VENV)/.test
	$(BIN)/python tests/load/visitors.py --visitors $(VISITORS) --seconds 60
	$(BIN)/python tests/load/uploads.py --uploads 50

# This engine beside NumPy, scikit-learn, PyTorch and JAX: some 13 minutes on two quiet cores.
# make bench BENCH_ARGS="--quick", or "--only mini-64,start"; "--help" lists the cases.
bench: $(VENV)/.bench
	$(BIN)/python benchmarks/bench.py $(BENCH_ARGS)

# SITE="--vendored" takes nothing from elsewhere when it is opened: see docs/running.md.
site: $(VENV)/.site
	$(BIN)/python -m dashboard.web build --out site $(SITE)

serve-site: site
	$(BIN)/python -m dashboard.web serve --dir site

$(VENV)/.app: requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "nnengine needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "this Python has no venv module (on Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/$(PIP) $(PINS) setuptools
	$(BIN)/$(INSTALL) $(PINS) -r requirements.txt
	touch $@

$(VENV)/.test: $(VENV)/.app
	$(BIN)/$(INSTALL) $(PINS) -e '.[test]'
	touch $@

$(OLDEST)/.made: requirements-oldest.txt constraints-oldest.txt pyproject.toml
	$(OLDEST_PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/$(PIP) -c constraints-oldest.txt setuptools
	$(OLDEST)/bin/$(INSTALL) -c constraints-oldest.txt -r requirements-oldest.txt -e .
	touch $@

$(EXCHANGE)/.made: requirements-exchange.txt constraints.txt pyproject.toml
	$(PYTHON) -m venv $(EXCHANGE)
	$(EXCHANGE)/bin/$(PIP) -c constraints.txt setuptools
	$(EXCHANGE)/bin/$(INSTALL) -c constraints.txt -r requirements-exchange.txt
	touch $@

$(EXCHANGE)-%/.made: requirements-exchange-%.txt
	$(PYTHON) -m venv $(EXCHANGE)-$*
	$(EXCHANGE)-$*/bin/$(PIP) -r $<
	touch $@

$(EXCHANGE)-node/.made: tests/exchange/programs/package.json
	mkdir -p $(EXCHANGE)-node && cp $< $(EXCHANGE)-node
	npm install --silent --no-audit --no-fund --prefix $(EXCHANGE)-node
	touch $@

# LLVM's linker for WebAssembly, 100 MB: what compiles the kernels for browsers.
$(VENV)/.site: $(VENV)/.app
	$(BIN)/$(INSTALL) $(PINS) -e '.[site]'
	touch $@

$(VENV)/.bench: $(VENV)/.test requirements-bench.txt
	$(BIN)/$(INSTALL) $(PINS) -r requirements-bench.txt
	touch $@

clean:
	rm -rf $(VENV) $(OLDEST) $(EXCHANGE)* .venv-new .pytest_cache .hypothesis .ruff_cache build *.egg-info
