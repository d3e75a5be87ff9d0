# Stands for the official vLLM image on an engine that can pull nothing: `python3` on PATH has vLLM's build for CPUs.
# The context is a folder that tests/ship/engine.py fills: uv.txt, llm-cpu.txt, wheels/ (torch's CPU build, if here).
ARG PYTHON_IMAGE
FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY . ./
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --require-hashes -r uv.txt
ARG TORCH_SOURCE
# TORCH_SOURCE is several options.
# hadolint ignore=SC2086
RUN python3 -m venv --without-pip /opt/venv \
  && /opt/uv/bin/uv pip install --no-cache --python /opt/venv/bin/python --no-deps --require-hashes ${TORCH_SOURCE} -r llm-cpu.txt

FROM ${PYTHON_IMAGE}
# vLLM's compiled part for CPUs is not loaded without it, and its absence is told as a missing operator.
RUN apt-get update && apt-get install --yes --no-install-recommends libnuma1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/venv /opt/venv
ENV PATH="/opt/venv/bin:$PATH"
