# `make run` goes from a fresh clone to outputs/submission.csv, `make test` runs
# the tests; both set up .venv the first time.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint bench kaggle rehearsal clean

run: .venv/run.stamp
	$(BIN)/python -m hms_utils run

test: .venv/dev.stamp
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: .venv/dev.stamp
	$(BIN)/python benchmarks/sample.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/spectrograms.py
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/training.py

# Packs the trained models for Kaggle: make kaggle KAGGLE_USERNAME=<your name there>
kaggle: .venv/run.stamp
	$(BIN)/python -m hms_utils bundle

# Runs what `make kaggle` packs as Kaggle does, without the network.
rehearsal: .venv/run.stamp
	$(BIN)/python tests/rehearsal.py

# Removes what the chain wrote, the sample data included; keeps .venv.
clean:
	git clean -fdX outputs

.venv/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed, found ' + sys.version.split()[0] + '; name another with: make PYTHON=python3.12 run')"
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/run.stamp: requirements.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -r requirements.txt
	touch $@

.venv/dev.stamp: requirements-dev.txt .venv/run.stamp
	$(BIN)/python -m pip install -r requirements-dev.txt
	touch $@
