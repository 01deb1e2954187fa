#!/bin/sh
# Start a command with its secrets read from files, once the database answers.
#
#   entrypoint.sh gunicorn budget_system.wsgi:application …
#
# NAME_FILE names a file with the value of NAME, for the names below. WAIT_FOR_DB is for how many seconds the database is
# waited for (60; 0: not at all). MIGRATE=1 migrates first: give it to one job only.
set -eu

for name in SECRET_KEY DATABASE_URL REDIS_URL PGPASSWORD ENCRYPTION_KEYS METRICS_TOKEN EMAIL_URL FLOWER_BASIC_AUTH; do
    eval "file=\${${name}_FILE:-} value=\${${name}:-}"
    [ -n "$file" ] || continue
    if [ -n "$value" ]; then
        echo "entrypoint.sh: both $name and ${name}_FILE are set; leave one out." >&2
        exit 1
    fi
    if [ ! -r "$file" ]; then
        echo "entrypoint.sh: ${name}_FILE names $file, which cannot be read by user $(id -u)." >&2
        exit 1
    fi
    # Without the newline at the end that editors leave there.
    value=$(cat "$file")
    export "$name=$value"
    unset "${name}_FILE"
done

if [ $# -eq 0 ]; then
    echo "entrypoint.sh: which command? For example: gunicorn budget_system.wsgi:application" >&2
    exit 2
fi
if [ "${WAIT_FOR_DB:-60}" != 0 ]; then
    python -m tools.inside.wait_for_db "${WAIT_FOR_DB:-60}"
fi
if [ "${MIGRATE:-0}" = 1 ]; then
    python manage.py migrate --no-input
fi
exec "$@"
