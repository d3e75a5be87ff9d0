# The model server: the official vLLM image, started with llm_server's arguments. This one is for a GPU; for a CPU
# `python3 -m scripts.images build llm --cpu` names the official CPU image instead.
ARG VLLM_IMAGE=docker.io/vllm/vllm-openai:v0.31.0@sha256:c1c9f6fd5c109ba7f0546a59f5b2f15fb87f64c77782e90a27b648b42a8e67c3

# Modes as they must be, whatever umask the tree was checked out with; here, so that no layer holds the files twice.
FROM ${VLLM_IMAGE} AS code
COPY LICENSE /app/
COPY llm_server /app/llm_server
COPY docker/alive.py /opt/probe/
RUN chmod -R u=rwX,go=rX /app /opt/probe

FROM ${VLLM_IMAGE}
# libgomp and torch ask for the user's name, so there must be one.
RUN groupadd --gid 10001 app && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp app \
  && install -d -o 10001 -g 10001 /app/state
COPY --from=code /app /app
COPY --from=code /opt/probe /opt/
ENV HOME=/tmp \
  HF_HOME=/app/state/hf \
  LLM_HOST=0.0.0.0 \
  LLM_PORT=8000 \
  PYTHONDONTWRITEBYTECODE=1 \
  PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
VOLUME /app/state
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=3 \
  CMD ["python3", "-I", "-S", "/opt/alive.py", "LLM_PORT", "/health"]
ARG VERSION=dev
ARG REVISION=
LABEL org.opencontainers.image.title="grading-gateway/llm" \
  org.opencontainers.image.description="vLLM with this project's arguments and its small local model." \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
ENTRYPOINT ["python3", "-m", "llm_server"]
