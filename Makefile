# make app    set up, start the app, print its address
# make test   set up, run all tests, a real browser included
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
# Three processes share the tests, for those in a browser mostly wait: each goes through its part in order, and takes over
# from the others when it is done.
SHARED := -n 3 --dist worksteal
# What one process has compiled serves the others, and the next time, also where Python is told to write nothing.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: app test long check bench clean

app: $(VENV)/app.stamp
	@echo "Starting the app; Ctrl-C ends it."
	$(PY) -m streamlit run app.py

test: $(VENV)/test.stamp
	$(PY) -m simulator.engine
	@echo "Some eight minutes on two cores; the browser tests come first."
	$(PY) -m pytest $(SHARED)

# The long statistical suite, the parity suite with array bounds checked (test_bounds.py), finer flows in a browser.
long: $(VENV)/test.stamp
	$(PY) -m simulator.engine
	$(PY) -m pytest $(SHARED) -m long

check: $(VENV)/test.stamp
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

# Speed, memory and growth beside others, with floors; best on a quiet machine. Some ten minutes.
bench: $(VENV)/bench.stamp
	$(PY) -m benchmarks

$(PY):
	$(PYTHON) -c "import sys; sys.exit(None if sys.version_info >= (3, 11) else 'Python 3.11 or later is needed; this is ' + sys.version.split()[0])"
	$(PYTHON) -m venv $(VENV)

$(VENV)/app.stamp: requirements.txt $(PY)
	@echo "Installing what requirements.txt names (a minute or so) ..."
	$(PY) -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/test.stamp: requirements-dev.txt $(VENV)/app.stamp
	@echo "Installing what the tests need ..."
	$(PY) -m pip install --quiet -r requirements-dev.txt
	$(PY) -m tests.browser.install
	touch $@

# Of LINE only its solver is used, a program: without its dependencies, in a folder of its own.
$(VENV)/bench.stamp: requirements-bench.txt $(VENV)/test.stamp
	@echo "Installing what we compare with ..."
	$(PY) -m pip install --quiet --no-deps --upgrade --target $(VENV)/bench -r requirements-bench.txt
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis artifacts
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
