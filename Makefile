PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
AUDIT := $(VENV)/audit/bin/pip-audit
TWINE := $(VENV)/release/bin/twine

.PHONY: help demo test lint docs notebooks audit release setup clean

help:
	@echo "make setup  what all of these need, in .venv: seconds with uv, minutes with pip"
	@echo "make demo   train and compare on the drawn eight-task stream (minutes), tables and pictures in demo"
	@echo "make test   the test suite"
	@echo "make lint   ruff, mypy and the import contracts"
	@echo "make docs   the documentation as a site: open docs/_build/html/index.html"
	@echo "make notebooks  run the tutorials again, and keep what they show"
	@echo "make release  build, check, and try the release in a bare environment of every Python"
	@echo "make audit  known vulnerabilities of the pinned versions, from the advisory database of PyPI"

demo: $(READY)
	$(VENV)/bin/python -m benchmarks demo

test: $(READY)
	$(VENV)/bin/python -m pytest -n 2 $(ARGS)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

docs: $(READY)
	$(VENV)/bin/python -m sphinx --quiet --fail-on-warning --keep-going docs docs/_build/html

notebooks: $(READY)
	$(VENV)/bin/python .ci/notebooks.py $(ARGS)

# Strict, as pip-audit by itself passes over what it cannot look up, and then says that nothing was found.
audit: $(AUDIT)
	@$(AUDIT) --strict --no-deps --disable-pip --progress-spinner off --requirement constraints.txt || { \
		echo "make audit: if no vulnerability is named above, the advisory database could not be reached; run it"; \
		echo "where PyPI itself answers: a mirror of its packages knows no advisories"; \
		exit 1; \
	}

release: $(READY) $(TWINE)
	$(VENV)/bin/python .ci/release.py $(TWINE)

$(TWINE):
	$(PYTHON) -m venv $(VENV)/release
	$(VENV)/release/bin/python -m pip install --disable-pip-version-check --quiet 'twine>=6'

$(AUDIT):
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --disable-pip-version-check --quiet 'pip-audit>=2.7'

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("avalanche-mas needs Python 3.10 or newer, found " + sys.version.split()[0] + "; run: make PYTHON=python3.11 ...")'
	@echo "Setting up $(VENV) (once; PyTorch is large, this takes a few minutes)"
	$(PYTHON) -m venv $(VENV)
	@if command -v uv >/dev/null 2>&1; then \
		uv pip install --python $(VENV)/bin/python --constraint constraints.txt --editable '.[dev]'; \
	else \
		$(VENV)/bin/python -m pip install --disable-pip-version-check --progress-bar off --constraint constraints.txt --editable '.[dev]'; \
	fi
	@touch $(READY)

clean:
	rm -rf $(VENV) build dist docs/_build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
