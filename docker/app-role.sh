#!/bin/sh
# The role that web, worker and beat have in production: it reads and writes rows, and cannot change or empty tables.
# PostgreSQL's image runs this once, when it makes the database; by hand: psql's variables and APP_PASSWORD_FILE set.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set owner="$POSTGRES_USER" --set database="$POSTGRES_DB" --set password="$(cat "$APP_PASSWORD_FILE")" <<'SQL'
CREATE ROLE budget_app LOGIN PASSWORD :'password';
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO budget_app;
GRANT USAGE ON SCHEMA public TO budget_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO budget_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO budget_app;
-- And on what the migrations of the owner will make.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO budget_app;
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO budget_app;
SQL
