# Two commands from nothing: `make run` and `make test`. Everything else is for people who stay.
PYTHON ?= python3
BOOTSTRAP = $(PYTHON) -m scripts.bootstrap
PY = .venv/bin/python
# These run in the environment of what they test.
LOCAL_MODEL_TESTS = tests/llm_server/local_model
EMBEDDINGS_TESTS = tests/embeddings
ELSEWHERE = --ignore=$(LOCAL_MODEL_TESTS) --ignore=$(EMBEDDINGS_TESTS)
TYPED = gateway embeddings llm_server/__main__.py llm_server/plan.py scripts

.DEFAULT_GOAL := help
.PHONY: help run test test-fast check format bench lock clean

help:  ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run:  ## install what is needed, start the models and the gateway; Ctrl-C stops all
	@$(PYTHON) -m scripts.run

test:  ## install what is needed, run every test: fast, embeddings, local model, the real vLLM end to end
	@$(BOOTSTRAP) dev embeddings llm llm-train
	@echo "== 1/4 fast tests"
	@$(PY) -m pytest $(ELSEWHERE) -m "not e2e and not integration"
	@echo "== 2/4 tests of the embeddings service"
	@.venv-embeddings/bin/python -m pytest $(EMBEDDINGS_TESTS)
	@echo "== 3/4 tests of the small local model"
	@.venv-train/bin/python -m pytest $(LOCAL_MODEL_TESTS) -m "not e2e"
	@echo "== 4/4 end to end, with the real vLLM"
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
	.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(PY) -m pre_commit validate-config

format:  ## put the code in order
	@$(BOOTSTRAP) dev
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench:  ## measure what the guards cost per request, beside the bare upstream and a naive proxy
	@$(BOOTSTRAP) dev embeddings
	@$(PY) -m benchmarks.hot_path
	@$(PY) -m benchmarks.masking
	@.venv-embeddings/bin/python benchmarks/embeddings.py

lock:  ## compile the hash-pinned requirement sets; `make lock UPGRADE=1` renews the pins
	@$(PYTHON) -m scripts.lock $(if $(UPGRADE),--upgrade)

clean:  ## remove the environments and caches; .env, state/ and downloaded models stay
	rm -rf .venv .venv-uv .venv-vllm .venv-train .venv-embeddings .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	  .import_linter_cache .cache
