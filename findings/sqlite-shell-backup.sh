#!/bin/sh
# The sqlite3 shell: .backup begins again at each commit of another process.
#
# The shell's documentation offers .backup for a copy of a live database. It copies 100 pages a step, and SQLite begins anew
# when another process has committed between two steps. Beside a writer the copy ends only if it gets through between
# two commits; VACUUM INTO reads in one transaction and ends. 400 MB, twenty commits a second.
#
# What the product does about it: massar backup (docs/adr/0039-backup-and-the-write-ahead-log.md; tests/commands/test_backup.py).
# Needs python3 and the sqlite3 shell (Debian: sqlite3). Takes about a minute.
set -eu

command -v sqlite3 >/dev/null || { echo "The sqlite3 shell is missing: install the package sqlite3."; exit 2; }
FOLDER=$(mktemp -d)
WRITER=
clear_up() { [ -z "$WRITER" ] || kill "$WRITER" 2>/dev/null || true; rm -rf "$FOLDER"; }
trap clear_up EXIT
trap 'exit 1' INT TERM

python3 - "$FOLDER/live.sqlite3" <<'PYTHON'
import sqlite3, sys
line = sqlite3.connect(sys.argv[1], isolation_level=None)
line.execute("PRAGMA journal_mode=WAL")
line.execute("PRAGMA synchronous=OFF")
line.execute("CREATE TABLE filler (n INTEGER PRIMARY KEY, b BLOB)")
line.execute("INSERT INTO filler (b) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
             " SELECT zeroblob(4000) FROM n")
line.execute("PRAGMA wal_checkpoint(TRUNCATE)")
PYTHON

seconds() { # the command, at most 20 seconds; prints how long, or "never"
    begun=$(date +%s%N)
    if timeout 20 "$@" >/dev/null 2>&1; then
        echo $((($(date +%s%N) - begun) / 1000000))
    else
        echo never
    fi
}
alone=$(seconds sqlite3 "$FOLDER/live.sqlite3" ".backup $FOLDER/alone.sqlite3")

python3 -c '
import sqlite3, sys, time
line = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
while True:
    line.execute("UPDATE filler SET b = randomblob(4000) WHERE n = 1 + abs(random()) % 100000")
    time.sleep(0.05)
' "$FOLDER/live.sqlite3" &
WRITER=$!
sleep 1
beside=$(seconds sqlite3 "$FOLDER/live.sqlite3" ".backup $FOLDER/beside.sqlite3")
rm -f "$FOLDER/beside.sqlite3"*
vacuum=$(seconds sqlite3 "$FOLDER/live.sqlite3" "VACUUM INTO '$FOLDER/vacuum.sqlite3'")

echo "sqlite3 shell $(sqlite3 --version | cut -d ' ' -f 1), 400 MB"
echo "expected: .backup beside twenty commits a second ends, a little later than alone"
echo "seen:     .backup alone $alone ms; beside the commits $beside (20 s were waited); VACUUM INTO beside them $vacuum ms"
[ "$alone" != never ] && [ "$beside" = never ] && [ "$vacuum" != never ] || { echo "It has changed."; exit 1; }
