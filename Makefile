# The two commands of the README, `make demo` and `make test`, and `make docs` make a virtual environment in .venv and install.
PYTHON ?= python3
SEQUENCES ?= 10
BIN = .venv/bin

demo: .venv/demo
	$(BIN)/cortical-attention match --sequences $(SEQUENCES)

test: .venv/test
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow"

lint: .venv/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The site in docs/_build/html, with every script of tutorial and gallery run; a warning is an error, and the network unused.
docs: .venv/docs
	$(BIN)/python -m sphinx -b html -W --keep-going -j 2 $(SPHINX) docs docs/_build/html

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/demo: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[digits]'
	touch $@

.venv/test: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[digits,test]'
	touch $@

.venv/lint: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

.venv/docs: .venv/bin/python setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[analysis,digits,docs,drawing,report,statistics]'
	touch $@

.PHONY: demo test lint docs
