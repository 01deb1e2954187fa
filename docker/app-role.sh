#!/bin/sh
# The role that web, worker and beat have in production: it reads and writes rows, and cannot change or empty tables.
# PostgreSQL's image runs this when it makes the database, `make db-reset` and `make restore` do again, and it may be run as
# often as you like. Without APP_PASSWORD_FILE a role that there is gets its rights and keeps its password.
set -eu
on_database() {
    psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"
}
if [ -n "${APP_PASSWORD_FILE:-}" ]; then
    on_database --set password="$(cat "$APP_PASSWORD_FILE")" <<'SQL'
SELECT 'CREATE ROLE budget_app' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'budget_app') \gexec
ALTER ROLE budget_app LOGIN PASSWORD :'password';
SQL
fi
on_database --set owner="$POSTGRES_USER" --set database="$POSTGRES_DB" <<'SQL'
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO budget_app;
GRANT USAGE ON SCHEMA public TO budget_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO budget_app;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO budget_app;
-- And on what the migrations of the owner will make.
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO budget_app;
ALTER DEFAULT PRIVILEGES FOR ROLE :"owner" IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO budget_app;
SQL
