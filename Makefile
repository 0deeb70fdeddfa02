# make app    install into .venv and open the dashboard
# make test   install what tests need and run them all, two at a time;
#             make test PYTEST_ARGS="-k words" those whose names have these words, one by one
# make bench  install the peers and measure this engine beside them
# make site   the app as a folder of static files, site/; make serve-site shows it on this machine
# The environment is made anew when what it is made from changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?= -n 2

.PHONY: app test lint load bench site serve-site clean

app: $(VENV)/.app
	$(BIN)/streamlit run dashboard/app.py

test: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check nnengine dashboard tests benchmarks
	$(BIN)/ruff format --check nnengine dashboard tests benchmarks

# Ten visitors training at once against the real server, for a minute.
load: $(VENV)/.test
	$(BIN)/python tests/load/visitors.py --visitors 10 --seconds 60

# This engine beside NumPy, scikit-learn and PyTorch: some 13 minutes on two quiet cores.
# make bench BENCH_ARGS="--quick", or "--only mini-64,start"; "--help" lists the cases.
bench: $(VENV)/.bench
	$(BIN)/python benchmarks/bench.py $(BENCH_ARGS)

# SITE="--vendored" takes nothing from elsewhere when it is opened: see README.
site: $(VENV)/.site
	$(BIN)/python -m dashboard.web build --out site $(SITE)

serve-site: site
	$(BIN)/python -m dashboard.web serve --dir site

$(VENV)/.app: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "nnengine needs Python 3.11 or newer: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { echo "this Python has no venv module (on Debian: apt install python3-venv)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.test: $(VENV)/.app
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@

# LLVM's linker for WebAssembly, 100 MB: what compiles the kernels for browsers.
$(VENV)/.site: $(VENV)/.app
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[site]'
	touch $@

$(VENV)/.bench: $(VENV)/.test requirements-bench.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .hypothesis .ruff_cache build *.egg-info
