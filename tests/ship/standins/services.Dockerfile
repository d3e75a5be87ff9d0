# Debian's PostgreSQL, Redis, Prometheus and Alertmanager and moto's S3, in the places and with the users of the images
# that compose.yml names: for an engine that may pull none (compose.override.yml).
FROM gateway-base:bookworm
# PostgreSQL's package would make a cluster of its own.
RUN mkdir -p /etc/postgresql-common \
    && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf \
    && apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-15 redis-server prometheus prometheus-alertmanager wget \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /opt/moto \
    && /opt/moto/bin/pip install --no-cache-dir "moto[s3,server]==5.2.5" \
    && echo "postgres-of-alpine:x:70:70::/:/bin/sh" >> /etc/passwd \
    && ln -sf /usr/bin/prometheus-alertmanager /usr/bin/alertmanager \
    && install -d -o 70 -g 70 -m 0700 /var/lib/postgresql/data \
    && install -d -o 65534 -g 65534 /prometheus /alertmanager /etc/prometheus/secrets \
    && install -d /docker-entrypoint-initdb.d
ENV PATH=/usr/lib/postgresql/15/bin:/opt/moto/bin:$PATH
COPY postgres.sh /usr/local/bin/
