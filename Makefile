# The two commands of the README: `make run` and `make test`.
# Everything is installed into $(VENV), at the versions of constraints.txt.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: run smoke test docs clean

run: $(VENV)/experiments.done  ## Ask trained models, then train small ones
	$(BIN)/python -m experiments show results/sort_of_clevr
	$(BIN)/python -m experiments compare first

smoke: $(VENV)/experiments.done  ## The same in seconds, to see that it works
	$(BIN)/python -m experiments compare smoke

test: $(VENV)/test.done  ## Style, types, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

docs: $(VENV)/docs.done  ## The site, in build/docs; runs the notebooks
	$(BIN)/python -m sphinx -E -W --keep-going -c docs . build/docs
	@echo "The site: build/docs/index.html"

clean:  ## Remove the environment; data/ and runs/ stay
	rm -rf $(VENV)

$(VENV)/made.done:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/experiments.done: $(VENV)/made.done pyproject.toml constraints.txt
	$(BIN)/python -m pip install -c constraints.txt -e '.[experiments]'
	@touch $@

$(VENV)/test.done: $(VENV)/experiments.done
	$(BIN)/python -m pip install -c constraints.txt -e '.[experiments,test,dev]'
	@touch $@

$(VENV)/docs.done: $(VENV)/experiments.done
	$(BIN)/python -m pip install -c constraints.txt -e '.[experiments,docs]'
	@touch $@
