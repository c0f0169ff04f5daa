# make app    set up, start the app, print its address
# make test   set up, run all tests, a real browser included
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

.PHONY: app test long check bench clean

app: $(VENV)/app.stamp
	@echo "Starting the app; Ctrl-C ends it."
	$(PY) -m streamlit run app.py

test: $(VENV)/test.stamp
	@echo "About ten minutes; the browser tests come first and take three of them."
	$(PY) -m pytest

# The long statistical suite, and the parity suite with array bounds checked (on a fresh cache, or the flag does nothing).
long: $(VENV)/test.stamp
	$(PY) -m pytest -m long
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$$(mktemp -d) $(PY) -m pytest tests/simulator/test_parity.py

check: $(VENV)/test.stamp
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench: $(VENV)/test.stamp
	$(PY) -m benchmarks.planes

$(PY):
	$(PYTHON) -c "import sys; sys.exit(None if sys.version_info >= (3, 11) else 'Python 3.11 or later is needed; this is ' + sys.version.split()[0])"
	$(PYTHON) -m venv $(VENV)

# The first run compiles the simulator, once a machine.
$(VENV)/app.stamp: requirements.txt $(PY)
	@echo "Installing what requirements.txt names (a minute or so) ..."
	$(PY) -m pip install --quiet -r requirements.txt
	@echo "Compiling the simulator (once a machine) ..."
	$(PY) -m simulator run youtube_recommendations --requests 100 --replications 1 > /dev/null
	touch $@

$(VENV)/test.stamp: requirements-dev.txt $(VENV)/app.stamp
	@echo "Installing what the tests need ..."
	$(PY) -m pip install --quiet -r requirements-dev.txt
	$(PY) -m tests.browser.install
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
