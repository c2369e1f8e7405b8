# Everything happens in .venv, with the pinned versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt
WORKERS ?= 2
ROOMS := extractor graphstore queries cli
# What the API reference warns about is an error, but for annotations that only a type checker can read.
PDOC := $(VENV)/bin/python -W error::UserWarning -W 'ignore:Error parsing type annotation:UserWarning' \
	-m pdoc --no-show-source --docformat markdown

.PHONY: demo test test-slow lint types check clean

demo: $(VENV)/.installed
	$(VENV)/bin/ipgraph ingest dataset sva-obj --limit 100
	$(VENV)/bin/ipgraph report overview
	$(VENV)/bin/ipgraph query run shared-subpaths --param k=4 --param limit=5

# The workers are processes: more threads in each would only wait for one another.
test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadgroup

test-slow: $(VENV)/.test
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadgroup -m slow

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(PDOC) --output-directory build/api ipgraph $(ROOMS:%=ipgraph.%)

# A mapped package hides from mypy in an editable install: .mypy_path/ipgraph shows it the rooms.
types: $(VENV)/.dev
	mkdir -p .mypy_path && ln -sfn .. .mypy_path/ipgraph
	MYPYPATH=.mypy_path $(VENV)/bin/mypy $(foreach room,$(ROOMS),-p ipgraph.$(room))
	MYPYPATH=.mypy_path:tests:benchmarks $(VENV)/bin/mypy --explicit-package-bases tests benchmarks

check: test lint types

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) --editable '.[plot]'
	touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) --editable '.[test]'
	touch $@ $(VENV)/.installed

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.test $(VENV)/.installed

clean:
	rm -rf $(VENV) .mypy_path build *.egg-info
