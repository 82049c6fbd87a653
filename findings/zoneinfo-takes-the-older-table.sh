#!/usr/bin/env bash
# Python's zoneinfo takes the system's table of time zones even where PyPI's tzdata, installed beside it, is a year newer.
#
# Seen with: CPython 3.11 and later, tzdata 2025.2 (IANA 2025b, what Debian 12 had before its security updates) in the place of
# the system's table, tzdata 2026.6 (IANA 2026f) installed.
# Why it matters: Morocco stays at +00 since 20 September 2026 (IANA 2026c). A lock file that brings 2026f changes nothing on
# a machine with an old table: every "valid until" is an hour late.
# Ours: src/massar/core/time_zone_data.py takes the newer one; tests/core/test_zone_table.py.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/env"
pip() { "$folder/env/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }
pip install --no-deps tzdata==2026.6
pip install --no-deps --target "$folder/old" tzdata==2025.2

seen=$(PYTHONTZPATH="$folder/old/tzdata/zoneinfo" "$folder/env/bin/python" - <<'PYTHON'
import sys
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import tzdata

noon = datetime(2026, 11, 29, 12, tzinfo=timezone.utc)
print(f"version:  Python {sys.version.split()[0]}, installed tzdata {tzdata.IANA_VERSION}, in the system's place 2025b", file=sys.stderr)
print(noon.astimezone(ZoneInfo("Africa/Casablanca")).strftime("%H:%M"))
PYTHON
)
echo "expected: 12:00 (the newer of the two)"
echo "seen:     $seen"
[ "$seen" = "13:00" ]
