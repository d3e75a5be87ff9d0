# Two commands from nothing: `make run` and `make test`. Everything else is for people who stay.
PYTHON ?= python3
BOOTSTRAP = $(PYTHON) -m scripts.bootstrap
PY = .venv/bin/python
# These run in the environment of what they test.
LOCAL_MODEL_TESTS = tests/llm_server/local_model
EMBEDDINGS_TESTS = tests/embeddings
TRAINING_TESTS = tests/training
TAGGER_TESTS = tests/name_tagger
RAY_TESTS = tests/ray
WORKER_TESTS = tests/worker
UI_TESTS = tests/ui
SHIP_TESTS = tests/ship
ELSEWHERE = --ignore=$(LOCAL_MODEL_TESTS) --ignore=$(EMBEDDINGS_TESTS) --ignore=$(TRAINING_TESTS) \
  --ignore=$(RAY_TESTS) --ignore=$(UI_TESTS) --ignore=$(WORKER_TESTS) --ignore=$(TAGGER_TESTS) \
  --ignore=$(SHIP_TESTS)
# DVC runs the stages' `python`: the training environment's.
DVC = PATH="$(CURDIR)/.venv-embeddings-train/bin:$$PATH" dvc
TYPED = bot chaos gateway embeddings ui fraud monitoring name_tagger llm_server/__main__.py llm_server/plan.py scripts

.DEFAULT_GOAL := help
.PHONY: help run test test-fast check format data train evaluate fraud golden bench bench-pii bench-grading chaos load audit lock clean

help:  ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run:  ## install what is needed, start the models and the gateway; Ctrl-C stops all
	@$(PYTHON) -m scripts.run

test:  ## install what is needed, run every test: fast, worker, dashboard, embeddings, training, what ships, local model, the real vLLM
	@$(BOOTSTRAP) dev worker ui embeddings embeddings-train ship llm llm-train
	@echo "== 1/8 fast tests"
	@$(PY) -m pytest $(ELSEWHERE) -m "not e2e and not integration"
	@echo "== 2/8 tests of the training worker, and of batch grading on Ray"
	@.venv-worker/bin/python -m pytest $(RAY_TESTS) $(WORKER_TESTS)
	@echo "== 3/8 tests of the dashboard"
	@.venv-ui/bin/python -m pytest $(UI_TESTS)
	@echo "== 4/8 tests of the embeddings service"
	@.venv-embeddings/bin/python -m pytest $(EMBEDDINGS_TESTS)
	@echo "== 5/8 tests of the training of the embeddings service's models and of the name tagger"
	@.venv-embeddings-train/bin/python -m pytest $(TRAINING_TESTS) $(TAGGER_TESTS)
	@echo "== 6/8 tests of what ships: images, compose file, chart, documentation"
	@.venv-ship/bin/python -m pytest $(SHIP_TESTS) -m "not engine"
	@echo "== 7/8 tests of the small local model"
	@.venv-train/bin/python -m pytest $(LOCAL_MODEL_TESTS) -m "not e2e"
	@echo "== 8/8 end to end, with the real vLLM"
	@$(PY) -m pytest $(ELSEWHERE) -m e2e

test-fast:  ## only the fast tests: no model server
	@$(BOOTSTRAP) dev
	@$(PY) -m pytest $(ELSEWHERE) -m "not e2e and not integration"

check:  ## format, lint, types, imports, house rules: exactly what CI checks
	@$(BOOTSTRAP) dev
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy $(TYPED)
	.venv/bin/lint-imports --no-logo
	$(PY) -m scripts.house
	$(PY) -m scripts.protos --check
	$(PY) -m monitoring.dashboard --check
	.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(PY) -m pre_commit validate-config

format:  ## put the code in order
	@$(BOOTSTRAP) dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

data:  ## fill data/ with the public sets: from DATA_DIR where it is set, else downloaded
	@$(BOOTSTRAP) embeddings-train
	@.venv-embeddings-train/bin/python -m embeddings.training.fetch

train:  ## prepare, train and evaluate what has changed (DVC, MLflow); `make train NAME=spam` for one
	@$(BOOTSTRAP) embeddings-train
	@$(DVC) repro $(if $(NAME),evaluate@$(NAME),evaluate)

evaluate:  ## measure the shipped heads on the test parts in DATA_DIR (or data/) and write their cards
	@$(BOOTSTRAP) embeddings-train
	@.venv-embeddings-train/bin/python -m embeddings.training.report

fraud:  ## simulate card payments and train the fraud pair from nothing into OUT (state/fraud)
	@$(BOOTSTRAP) worker
	@.venv-worker/bin/python -m fraud.train --out $(or $(OUT),state/fraud)

golden:  ## compare both graders of a running gateway (`make run`; URL says where) with their baselines, exit 1 if one is worse
	@$(BOOTSTRAP) dev
	@export API_KEY="$${API_KEY:-$$(sed -n 's/^API_KEY=//p' .env 2>/dev/null)}"; worst=0; \
	for grader in grader-embedding grader-llm; do \
	  $(PY) -m gateway golden check --url $(or $(URL),http://127.0.0.1:38300) --grader $$grader || { code=$$?; test $$code -le $$worst || worst=$$code; }; \
	done; exit $$worst

bench:  ## measure what the guards cost per request, beside the bare upstream and a naive proxy
	@$(BOOTSTRAP) dev embeddings
	@$(PY) -m benchmarks.hot_path
	@$(PY) -m benchmarks.pii --only speed
	@.venv-embeddings/bin/python benchmarks/embeddings.py
	@$(PY) -m benchmarks.through_the_gateway

bench-pii:  ## how well, fast and safely personal data is masked: the sets in DATA_DIR (or data/), PART=validation, OUT=file
	@$(BOOTSTRAP) dev
	@$(PY) -m benchmarks.pii --data $(or $(DATA_DIR),data) --part $(or $(PART),validation) $(if $(OUT),--out $(OUT))

bench-grading:  ## grade the public sets in DATA_DIR (or data/) by GRADER through the gateway at URL (`make run` starts one)
	@$(BOOTSTRAP) dev
	@$(PY) -m benchmarks.grading --url $(or $(URL),http://127.0.0.1:38300) --data $(or $(DATA_DIR),data) \
	  --grader $(or $(GRADER),grader-embedding)

chaos:  ## overload, faults and restarts on real processes, measured against pass criteria; SHORT=1 for seconds, ONLY="row row", OUT=folder
	@$(BOOTSTRAP) dev worker
	@$(PY) -m chaos $(if $(SHORT),--short) $(if $(ONLY),--only $(ONLY)) $(if $(OUT),--out $(OUT))

load:  ## Locust against URL: PROFILE=steady|spike|malformed|huge|dialogue|mixed|grades, USERS=, RUN_TIME=; exit 1 beyond the SLO file
	@$(BOOTSTRAP) dev
	@export API_KEY="$${API_KEY:-$$(sed -n 's/^API_KEY=//p' .env 2>/dev/null)}"; \
	$(PY) -m tests.load --profile $(or $(PROFILE),steady) $(if $(URL),--url $(URL)) $(if $(SLO),--slo $(SLO)) \
	  $(if $(RPC),--rpc $(RPC)) $(if $(USERS),--users $(USERS)) $(if $(RUN_TIME),--run-time $(RUN_TIME))

audit:  ## the locked sets against published advisories, and a bill of materials of each into OUT (state/sbom)
	@$(BOOTSTRAP) dev
	@$(PY) -m scripts.audit --out $(or $(OUT),state/sbom)

lock:  ## compile the hash-pinned requirement sets; `make lock UPGRADE=1` renews the pins
	@$(PYTHON) -m scripts.lock $(if $(UPGRADE),--upgrade)

clean:  ## remove the environments and caches; .env, state/ and downloaded models stay
	rm -rf .venv .venv-uv .venv-ui .venv-vllm .venv-train .venv-embeddings .venv-embeddings-train .venv-ship .venv-worker .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache .cache
