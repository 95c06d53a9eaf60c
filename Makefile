# The two commands of the README: `make run` and `make test`.
# Everything is installed into $(VENV), at the versions of constraints.txt.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: run smoke test docs clean

run: $(VENV)/experiments.done  ## Ask trained models, then train small ones
	@echo
	@echo "1 of 2, about a minute: three networks that were trained before answer"
	@echo "questions about pictures that are drawn now. A Relation Network (RN) looks at"
	@echo "every pair of places of a picture, Deep Sets at each place alone."
	@echo
	@$(BIN)/python -m experiments show results/sort_of_clevr \
		--out runs/answers.png --open
	@echo
	@echo "2 of 2, about five minutes on 2 CPU cores: four small networks are trained on"
	@echo "the same questions, objects given as numbers. Which learns how they relate?"
	@echo "Stop it with Ctrl-C; the same command goes on from there."
	@echo
	@$(BIN)/python -m experiments compare first
	@echo
	@echo "Next: source $(BIN)/activate, then python -m experiments"

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
	@echo "Installing torch, PyG and what the experiments need into $(VENV):"
	@echo "some minutes, once; nothing outside of this folder is changed."
	@$(BIN)/python -m pip install -c constraints.txt -e '.[experiments]' || \
		{ echo "The packages could not be installed. pip says above which one, and"; \
		echo "why. It needs a network, or a folder of wheels: PIP_FIND_LINKS=FOLDER."; \
		echo "Run the same command again; what was done is kept."; exit 1; }
	@touch $@

$(VENV)/test.done: $(VENV)/experiments.done
	$(BIN)/python -m pip install -c constraints.txt -e '.[experiments,test,dev]'
	@touch $@

$(VENV)/docs.done: $(VENV)/experiments.done
	$(BIN)/python -m pip install -c constraints.txt -e '.[experiments,docs]'
	@touch $@
