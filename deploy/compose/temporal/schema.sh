#!/bin/sh
# Temporal's two databases and their schemas; harmless to repeat, and what a new release needs.
set -eu
SQL_PASSWORD="$(cat /run/secrets/temporal_password)"
export SQL_PASSWORD
for pair in temporal:temporal temporal_visibility:visibility; do
    database="${pair%%:*}"
    tool() {
        temporal-sql-tool --plugin postgres12_pgx --endpoint "$POSTGRES_SEEDS" --port "$DB_PORT" \
            --user "$POSTGRES_USER" --database "$database" "$@"
    }
    tool create
    tool setup-schema --version 0.0
    tool update-schema --schema-name "postgresql/v12/${pair##*:}"
done
