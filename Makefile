# Every target sets up what it needs. `make` alone explains them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PY := .venv/bin/python
export PYTHONPATH := $(CURDIR)/dev

# What is rebuilt when the lock changes, and nothing else.
SETUP := .venv/.lock-in-force

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(SETUP) ## Make .venv with everything, from uv.lock
$(SETUP): uv.lock pyproject.toml dev/bootstrap.sh
	@dev/bootstrap.sh
	@touch $(SETUP)

.PHONY: demo demo-down
demo: $(SETUP) ## Cluster, operator, one real training job, its adapter, and what it learnt
	@$(PY) -m demo up
demo-down: $(SETUP) ## End everything that `make demo` started
	@$(PY) -m demo down

.PHONY: test test-unit test-branches test-integration test-trainer test-resume test-faults test-faults-storage test-e2e \
	test-schedules
test: $(SETUP) ## Unit, integration and trainer tests
	@$(PY) -m cluster binaries --background controlplane kubectl helm versitygw
	@$(MAKE) --no-print-directory test-branches
	@$(PY) -m pytest -q -n 2 --dist loadgroup --every-number tests/unit tests/integration
	@$(PY) -m pytest -n 2 --dist loadfile tests/trainer
test-unit: $(SETUP) ## Pure code, in seconds
	@$(PY) -m pytest -q -n 2 tests/unit
test-branches: $(SETUP) ## Contract and trainer, with every branch of what only decides
	@$(PY) -m pytest -q -n 2 --cov --cov-report=term-missing:skip-covered tests/unit/api tests/unit/trainer
test-integration: $(SETUP) ## Against a real API server and a real S3 server
	@$(PY) -m pytest -q -n 2 --dist loadgroup tests/integration
test-trainer: $(SETUP) ## Real Unsloth and TRL on the CPU, tiny model
	@$(PY) -m pytest -n 2 --dist loadfile tests/trainer
test-resume: $(SETUP) ## Kill and resume a trainer at every moment (METHODS=DPO); rewrites a table in docs/
	@PYTHONPATH=operator:trainer-image:dev:tests $(PY) -m support.kill_matrix $(METHODS)
test-faults-storage: $(SETUP) ## Every storage fault at every request; rewrites a table in docs/
	@$(PY) -m pytest -q tests/faults
test-schedules: $(SETUP) ## 20,000 random schedules of two operators; rewrites a table in docs/
	@PYTHONPATH=operator:trainer-image:dev:tests $(PY) -m support.schedule
test-e2e: $(SETUP) ## Both images on a real node: the demo's path, with assertions
	@$(PY) -m pytest tests/e2e

test-faults: $(SETUP) ## The operator's faults in full, as a table, in half an hour
	@$(PY) -m cluster binaries controlplane kubectl
	@$(PY) -m faults run

.PHONY: lint format crd docs
lint: $(SETUP) ## ruff, mypy, import contracts, generated files up to date
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@.venv/bin/mypy -p preftrain_api -p preftrain_operator -p preftrain_trainer -p cluster -p images -p demo \
		-p faults
	@.venv/bin/mypy tests bench
	@.venv/bin/lint-imports --no-logo
	@$(PY) -m preftrain_api.crd --check
	@$(PY) -m preftrain_trainer.audit.reference --check
	@$(PY) -m faults page --check
format: $(SETUP) ## Format the code
	@.venv/bin/ruff check --fix -q . ; .venv/bin/ruff format .
crd: $(SETUP) ## Generate the CRD and the reference pages from the models
	@$(PY) -m preftrain_api.crd
	@$(PY) -m preftrain_trainer.audit.reference
	@$(PY) -m preftrain_trainer.methods.describe docs/explanation/methods.md

docs: $(SETUP) crd ## Generate the failure-mode page from the markers on the tests, too
	@$(PY) -m faults page

.PHONY: images cluster-up cluster-down cluster-status
images: $(SETUP) ## Build the three images
	@$(PY) -m images build
cluster-up: $(SETUP) ## Start a local cluster: kind where Docker runs, else from source
	@$(PY) -m cluster up
cluster-down: $(SETUP) ## End it and leave nothing behind
	@$(PY) -m cluster down
cluster-status: $(SETUP) ## Say what of it runs
	@$(PY) -m cluster status

# Options of the benchmark: BENCH="--help" lists them.
BENCH ?= --limits raised shipped --counts 100 --open-loop 30
.PHONY: bench-operator
bench-operator: $(SETUP) ## Time, requests and CPU of the operator beside plain Jobs, as tables
	@$(PY) -m cluster binaries controlplane kubectl >/dev/null
	@PYTHONPATH=.:dev $(PY) -m bench.operator $(BENCH)

.PHONY: bench-trainer
bench-trainer: $(SETUP) ## What telling costs a step, how soon a pod says what is wrong, how fast data are audited
	@$(PY) bench/trainer/progress_cost.py
	@$(PY) bench/trainer/early_failures.py
	@$(PY) bench/trainer/audit_speed.py
