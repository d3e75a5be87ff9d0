#!/bin/sh
# What the official image's entry point does here: a cluster and its databases where there are none, then the server.
set -eu
data=/var/lib/postgresql/data
if [ ! -s "$data/PG_VERSION" ]; then
  echo "$POSTGRES_PASSWORD" > /tmp/password
  initdb --pgdata "$data" --locale C.UTF-8 --username postgres --pwfile /tmp/password --auth-host scram-sha-256 --auth-local trust
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
  pg_ctl --pgdata "$data" --wait --options "-c listen_addresses='' -k /var/run/postgresql" start
  for file in /docker-entrypoint-initdb.d/*.sql; do
    psql --host /var/run/postgresql --username postgres --set ON_ERROR_STOP=1 --file "$file"
  done
  pg_ctl --pgdata "$data" --wait stop
fi
exec postgres -D "$data" -k /var/run/postgresql -c listen_addresses='*'
