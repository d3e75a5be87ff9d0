# The worker: trains the classical models, keeps data sets and drift reports. MLflow's server and Evidently's pages
# run from this image too, with another entry point (`mlflow`, `evidently`).
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${PYTHON_IMAGE} AS build
# `strip`, for docker/trim.py. Nothing of this stage's system is in the image.
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements/uv.txt ./
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --require-hashes -r uv.txt
COPY requirements/worker-image.txt docker/trim.py ./
RUN python3 -m venv --without-pip /opt/venv \
  && /opt/uv/bin/uv pip install --no-cache --python /opt/venv/bin/python --no-deps --require-hashes -r worker-image.txt \
  && python3 trim.py /opt/venv worker
COPY LICENSE /app/
COPY gateway /app/gateway
COPY docker/worker_alive.py /opt/probe/
# Byte code belongs in the image: a read-only root keeps none, and every start would pay (the gateway: 5 s).
# And modes do not come from the umask with which the tree was checked out.
RUN /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib /app \
  && chmod -R u=rwX,go=rX /app /opt/probe

FROM ${PYTHON_IMAGE}
RUN groupadd --gid 10001 app && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp app \
  && install -d -o 10001 -g 10001 /app/state
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
COPY --from=build /opt/probe /opt/
# Without being told not to, ONNX Runtime reports each model that it loads to its maker.
ENV PATH="/opt/venv/bin:$PATH" \
  HOME=/tmp \
  ORT_DISABLE_TELEMETRY=1 \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONUNBUFFERED=1 \
  GIT_PYTHON_REFRESH=quiet \
  DO_NOT_TRACK=1
WORKDIR /app
USER 10001:10001
VOLUME /app/state
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s --retries=3 \
  CMD ["python", "/opt/worker_alive.py"]
ARG VERSION=dev
ARG REVISION=
LABEL org.opencontainers.image.title="grading-gateway/worker" \
  org.opencontainers.image.description="Trains classical models, keeps data sets and drift reports." \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  grading-gateway.requirements="requirements/worker-image.txt"
ENV GIT_COMMIT="${REVISION}"
ENTRYPOINT ["python", "-m", "gateway"]
CMD ["worker"]
