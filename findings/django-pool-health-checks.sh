#!/bin/sh
# Django with psycopg_pool: CONN_HEALTH_CHECKS makes a restart of PostgreSQL last longer.
#
# Django's documentation says of the setting that it lets a connection be replaced when the database server has restarted.
# With OPTIONS["pool"] it becomes the pool's own check on lending, and the pool pauses for 1, 2, 4 ... seconds after each
# dead connection that it finds, while the fresh ones queue up behind the dead. Without the setting every dead connection
# costs one error, at once.
#
# What the product does about it: docs/adr/0038-when-the-database-is-away.md; tests/commands/test_database_away.py.
# Needs the server programs of PostgreSQL (Debian: postgresql), python3 with venv. Takes about a minute and a half.
set -eu

PROGRAMS=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
[ -n "$PROGRAMS" ] || { echo "PostgreSQL's server programs are missing: install the package postgresql."; exit 2; }
FOLDER=$(mktemp -d)
chmod 755 "$FOLDER"
as_owner() { if [ "$(id -u)" = 0 ]; then su -s /bin/sh postgres -c "$1"; else sh -c "$1"; fi; }
clear_up() {
    as_owner "$PROGRAMS/pg_ctl -D $FOLDER/data -m immediate stop" >/dev/null 2>&1 || true
    rm -rf "$FOLDER"
}
trap clear_up EXIT
trap 'exit 1' INT TERM

python3 -m venv "$FOLDER/venv"
"$FOLDER/venv/bin/pip" --quiet --disable-pip-version-check install Django==5.2.19 "psycopg[binary]==3.3.9" psycopg-pool==3.3.3

mkdir "$FOLDER/data" "$FOLDER/socket"
[ "$(id -u)" != 0 ] || chown postgres "$FOLDER/data" "$FOLDER/socket"
as_owner "$PROGRAMS/initdb -D $FOLDER/data -U finder --auth=trust --locale=C --no-sync" >/dev/null
PG_CTL="$PROGRAMS/pg_ctl -D $FOLDER/data -w -l $FOLDER/data/log -o \"-c listen_addresses='' -c unix_socket_directories=$FOLDER/socket\""
as_owner "$PG_CTL start" >/dev/null

cat >"$FOLDER/finder.py" <<'PYTHON'
import logging
import subprocess
import sys
import threading
import time

import django
import psycopg
import psycopg_pool
from django.conf import settings
from django.db import Error, connection

IDLE = 20
checks, socket, restart = sys.argv[1] == "checks", sys.argv[2], sys.argv[3]
settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "finder", "HOST": socket,
    "CONN_HEALTH_CHECKS": checks,
    "OPTIONS": {"pool": {"min_size": 2, "max_size": IDLE, "timeout": 10}},
}})
django.setup()
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def request():
    """As Django does around a request: take a connection, ask, give it back."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return True
    except Error:
        return False
    finally:
        connection.close()


def hold(barrier):
    connection.ensure_connection()
    barrier.wait()
    connection.close()


barrier = threading.Barrier(IDLE)
threads = [threading.Thread(target=hold, args=(barrier,)) for _ in range(IDLE)]
[one.start() for one in threads]
[one.join() for one in threads]
assert request()
subprocess.run(["sh", "-c", restart], check=True, stdout=subprocess.DEVNULL)
begun, errors, answers = time.monotonic(), 0, 0
first = None
while answers < 3 and time.monotonic() - begun < 120:
    if request():
        answers += 1
        first = first if first is not None else time.monotonic() - begun
    else:
        errors, answers = errors + 1, 0
connection.close_pool()
print(f"{errors} {first:.1f}")
print(f"  Django {django.__version__}, psycopg {psycopg.__version__}, psycopg_pool {psycopg_pool.__version__},"
      f" CONN_HEALTH_CHECKS={checks}: {errors} errors, the first answer after {first:.1f} s", file=sys.stderr)
PYTHON

if [ "$(id -u)" = 0 ]; then RESTART="su -s /bin/sh postgres -c '$(printf %s "$PG_CTL -m fast restart" | sed "s/'/'\\\\''/g")'"; else RESTART="$PG_CTL -m fast restart"; fi
echo "PostgreSQL: $("$PROGRAMS/postgres" --version)"
echo "expected: with health checks no error after a restart, and an answer at once"
echo "seen (one caller, 20 idle connections, a restart of the server):"
with_checks=$("$FOLDER/venv/bin/python" "$FOLDER/finder.py" checks "$FOLDER/socket" "$RESTART")
without=$("$FOLDER/venv/bin/python" "$FOLDER/finder.py" plain "$FOLDER/socket" "$RESTART")

[ "${with_checks%% *}" -gt 0 ] && [ "$(printf %.0f "${with_checks##* }")" -ge 10 ] && [ "$(printf %.0f "${without##* }")" -lt 5 ] || {
    echo "It has changed: with health checks '$with_checks', without '$without' (errors, seconds to the first answer)."
    exit 1
}
echo "So it is: with the checks the first answer comes later than without them, and errors stay."
