# Offline inference: a CSV file in, a CSV file of predictions out, by the embeddings service's models. No server.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${PYTHON_IMAGE} AS build
# `strip`, for docker/trim.py. Nothing of this stage's system is in the image.
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements/uv.txt ./
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --require-hashes -r uv.txt
COPY requirements/embeddings-image.txt docker/trim.py ./
RUN python3 -m venv --without-pip /opt/venv \
  && /opt/uv/bin/uv pip install --no-cache --python /opt/venv/bin/python --no-deps --require-hashes -r embeddings-image.txt \
  && python3 trim.py /opt/venv predict
COPY LICENSE /app/
COPY embeddings /app/embeddings
# Byte code belongs in the image: a read-only root keeps none, and every start would pay (the gateway: 5 s).
# And modes do not come from the umask with which the tree was checked out.
RUN /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib /app \
  && chmod -R u=rwX,go=rX /app

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 app && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp app \
  && install -d -o 10001 -g 10001 /app/state
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
# Without being told not to, ONNX Runtime reports each model that it loads to its maker.
ENV PATH="/opt/venv/bin:$PATH" \
  HOME=/tmp \
  ORT_DISABLE_TELEMETRY=1 \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
VOLUME /app/state
STOPSIGNAL SIGTERM
# It ends when the file is written: nothing to probe.
HEALTHCHECK NONE
ARG VERSION=dev
ARG REVISION=
LABEL org.opencontainers.image.title="grading-gateway/predict" \
  org.opencontainers.image.description="Offline inference: CSV in, CSV of predictions out." \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  grading-gateway.requirements="requirements/embeddings-image.txt"
ENTRYPOINT ["python", "-m", "embeddings.predict"]
