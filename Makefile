# `make run` goes from a fresh clone to outputs/submission.csv, `make test` runs
# the tests; both set up .venv the first time.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-faults faults test-oldest lint bench figures kaggle kaggle-train rehearsal clean browser-test

run: .venv/run.stamp
	$(BIN)/python -m hms_utils run

test: .venv/dev.stamp
	$(BIN)/python -m pytest -n 2 --dist worksteal

# All kinds of damage, interruptions and lacks, which take an hour; `make test` has the quick ones.
test-faults: .venv/dev.stamp
	$(BIN)/python -m pytest -m faults

# The table of all of them: outputs/faults.md.
faults: .venv/dev.stamp
	$(BIN)/python -m pytest -m "faults or not faults" tests/faults tests/eeg/test_clinical_oddities.py \
		--faults-table outputs/faults.md

# The tests with the oldest versions that requirements.txt allows, in an environment of their own.
test-oldest: .venv-oldest/stamp
	.venv-oldest/bin/python -m pytest -n 2 --dist worksteal

# What is known about the installed versions is advice: it needs the network and stops nothing.
lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(BIN)/pip-audit --local --skip-editable --progress-spinner off > .venv/audit.txt 2>&1; \
	if grep -q '^Found ' .venv/audit.txt; then cat .venv/audit.txt; \
	elif grep -q '^No known' .venv/audit.txt && ! grep -q 'not be audited' .venv/audit.txt; then \
		echo "pip-audit: no known vulnerability"; \
	else echo "pip-audit: nothing is known of some versions, or no network: .venv/audit.txt"; fi

bench: .venv/dev.stamp
	$(BIN)/python benchmarks/sample.py
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/spectrograms.py
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/training.py

# Writes docs/tour.md and the pictures of the docs, from a run.
figures: run
	$(BIN)/python -m benchmarks.tour

# Opens the notebooks in JupyterLab with a real browser and runs them there.
browser-test: .venv/dev.stamp
	$(BIN)/python -m tests.browser

# Packs the trained models for Kaggle: make kaggle KAGGLE_USERNAME=<your name there>
kaggle: .venv/run.stamp
	$(BIN)/python -m hms_utils bundle

# Packs the training for a GPU session on Kaggle, and installs Kaggle's command line.
kaggle-train: .venv/kaggle.stamp
	$(BIN)/python -m hms_utils bundle --train

# Runs what both of them pack as Kaggle does, without the network.
rehearsal: .venv/run.stamp
	$(BIN)/python tests/rehearsal.py

# Removes what the chain wrote, the sample data included; keeps .venv.
clean:
	git clean -fdX outputs

.venv/bin/python:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed, found ' + sys.version.split()[0] + '; name another with: make PYTHON=python3.12 run')"
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv-oldest/stamp: requirements-dev.txt requirements.txt pyproject.toml
	$(PYTHON) -m venv --clear .venv-oldest
	.venv-oldest/bin/python -m pip install uv
	.venv-oldest/bin/uv pip install --python .venv-oldest --resolution lowest-direct -r requirements-dev.txt
	touch $@

.venv/run.stamp: requirements.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install -r requirements.txt
	touch $@

.venv/dev.stamp: requirements-dev.txt .venv/run.stamp
	$(BIN)/python -m pip install -r requirements-dev.txt
	touch $@

.venv/kaggle.stamp: .venv/run.stamp
	$(BIN)/python -m pip install kaggle
	touch $@
