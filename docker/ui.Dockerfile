# The dashboard, which talks to the gateway only.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${PYTHON_IMAGE} AS build
# `strip`, for docker/trim.py. Nothing of this stage's system is in the image.
RUN apt-get update && apt-get install --yes --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements/uv.txt ./
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --require-hashes -r uv.txt
COPY requirements/ui-image.txt docker/trim.py ./
RUN python3 -m venv --without-pip /opt/venv \
  && /opt/uv/bin/uv pip install --no-cache --python /opt/venv/bin/python --no-deps --require-hashes -r ui-image.txt \
  && python3 trim.py /opt/venv ui
COPY LICENSE /app/
COPY ui /app/ui
COPY docker/alive.py /opt/probe/
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
ENV PATH="/opt/venv/bin:$PATH" \
  HOME=/tmp \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONUNBUFFERED=1 \
  UI_HOST=0.0.0.0 \
  UI_PORT=8501
WORKDIR /app
USER 10001:10001
VOLUME /app/state
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-I", "-S", "/opt/alive.py", "UI_PORT", "/_stcore/health"]
ARG VERSION=dev
ARG REVISION=
LABEL org.opencontainers.image.title="grading-gateway/ui" \
  org.opencontainers.image.description="The dashboard." \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  grading-gateway.requirements="requirements/ui-image.txt"
ENTRYPOINT ["python", "-m", "ui"]
