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
# Of whoever asks a deployed gateway: never an argument, which others on the machine can read.
TOKEN_OR_KEY = "$${TOKEN:-$${AUTH_TOKEN:-$${API_KEY:-$$(sed -n 's/^API_KEY=//p' .env 2>/dev/null)}}}"
TYPED = bot chaos gateway embeddings ui fraud monitoring name_tagger llm_server/__main__.py llm_server/plan.py scripts

.DEFAULT_GOAL := help
.PHONY: help run test test-fast check format data train evaluate fraud golden bench bench-pii bench-grading chaos load smoke integration images image-sizes audit docs lock up down test-compose minikube minikube-down clean

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
	.venv/bin/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec compose/compose.yml compose/gpu.yml compose/clearml.yml
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

smoke:  ## does the gateway at URL answer as it should? TOKEN, else API_KEY of .env; WAIT=s for a cold start, RPC=host:port, REQUIRE="fraud rpc"
	@export AUTH_TOKEN=$(TOKEN_OR_KEY); \
	$(PYTHON) -m scripts.smoke $(if $(URL),--url $(URL)) $(if $(RPC),--rpc $(RPC)) $(if $(WAIT),--wait $(WAIT)) \
	  $(if $(WITHIN),--within $(WITHIN)) $(if $(JSON),--json) $(foreach check,$(REQUIRE),--require $(check))

integration:  ## contract tests of the gateway at URL or MODEL_ENDPOINT, with TOKEN or AUTH_TOKEN; MODEL_ENDPOINT_KIND=llm|embeddings: a bare service
	@$(BOOTSTRAP) dev
	@export AUTH_TOKEN=$(TOKEN_OR_KEY) MODEL_ENDPOINT=$(or $(MODEL_ENDPOINT),$(URL),http://127.0.0.1:38300); \
	$(PY) -m pytest -m integration

images:  ## build the images, docs/images.md; NAME="gateway ui", NETWORK=host, PYTHON_IMAGE=, VLLM_IMAGE=, CPU=1 for llm
	@$(PYTHON) -m scripts.images build $(NAME) $(if $(NETWORK),--network $(NETWORK)) $(if $(CPU),--cpu) \
	  $(if $(PYTHON_IMAGE),--python-image $(PYTHON_IMAGE)) $(if $(VLLM_IMAGE),--vllm-image $(VLLM_IMAGE))

image-sizes:  ## how large the built images are, and over their bases; NAME=, PYTHON_IMAGE=, VLLM_IMAGE= as they were built
	@$(PYTHON) -m scripts.images sizes $(NAME) $(if $(CPU),--cpu) \
	  $(if $(PYTHON_IMAGE),--python-image $(PYTHON_IMAGE)) $(if $(VLLM_IMAGE),--vllm-image $(VLLM_IMAGE))

audit:  ## the locked sets against published advisories, and a bill of materials of each into OUT (state/sbom)
	@$(BOOTSTRAP) dev
	@$(PY) -m scripts.audit --out $(or $(OUT),state/sbom)

docs:  ## build the site of docs/ into build/site, strictly: a broken link fails it
	@$(BOOTSTRAP) ship
	@NO_MKDOCS_2_WARNING=1 .venv-ship/bin/mkdocs build --quiet

lock:  ## compile the hash-pinned requirement sets; `make lock UPGRADE=1` renews the pins
	@$(PYTHON) -m scripts.lock $(if $(UPGRADE),--upgrade)

up:  ## everything on this machine's Docker engine (docs/compose.md), healthy; PROFILE=gpu, IMAGES=there|pull builds nothing
	@$(PYTHON) -m scripts.compose up $(if $(PROFILE),--profile $(PROFILE)) $(if $(IMAGES),--images $(IMAGES))

down:  ## stop and remove its containers; VOLUMES=1: what was stored too
	@$(PYTHON) -m scripts.compose down $(if $(PROFILE),--profile $(PROFILE)) $(if $(VOLUMES),--volumes)

test-compose:  ## `make up`, requests, restarts under load and `make down` on a real Docker engine; the seconds of each
	@$(BOOTSTRAP) ship
	@.venv-ship/bin/python -m pytest $(SHIP_TESTS)/test_engine_compose.py -m engine -x -s -v --durations=0

minikube:  ## everything in a cluster on this machine: minikube, images, chart, smoke test; again: what has changed
	@$(PYTHON) -m scripts.minikube up

minikube-down:  ## delete that cluster, with all that it kept
	@$(PYTHON) -m scripts.minikube down

clean:  ## remove the environments and caches; .env, state/ and downloaded models stay
	rm -rf .venv .venv-uv .venv-ui .venv-vllm .venv-train .venv-embeddings .venv-embeddings-train .venv-ship .venv-worker .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache .cache
