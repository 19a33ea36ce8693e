#!/bin/bash
# Run once by PostgreSQL's image, on an empty volume: a user each, who is no superuser.
set -eu
for user in perdure temporal; do
    psql --set ON_ERROR_STOP=1 --username postgres --dbname postgres \
        --set name="$user" --set password="$(cat "/run/secrets/${user}_password")" <<'SQL'
CREATE ROLE :name LOGIN PASSWORD :'password';
SQL
done
# Customers' rows are kept apart by a role that `perdure migrate` makes.
psql --set ON_ERROR_STOP=1 --username postgres --dbname postgres <<'SQL'
ALTER ROLE perdure CREATEROLE;
ALTER ROLE temporal CREATEDB;
CREATE DATABASE perdure OWNER perdure ENCODING 'UTF8' TEMPLATE template0;
SQL
