#!/usr/bin/env bash
# A call back made by cffi's ffi.callback needs memory that is written and executed; one made by ctypes, beside it in the
# same Python, does not, though both rest on libffi.
#
# Seen with: cffi 2.1.1 (its wheel), Python 3.11, Linux 6.18; systemd's MemoryDenyWriteExecute=yes is the
# same promise of a process (prctl(2), PR_SET_MDWE, Linux 6.3; older ones by seccomp).
# Why it matters: a service that is locked up as systemd-analyze security asks for fails at the first such call back, with
# a MemoryError that speaks of SELinux; libargon2 takes its memory by two call backs.
# Ours: src/massar/core/argon2id.py makes them by ctypes; tests/core/test_argon2id.py hashes under that promise.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip --quiet --disable-pip-version-check install cffi==2.1.1

status=0
seen=$("$folder/env/bin/python" - <<'PYTHON'
import ctypes
import platform
import sys

import cffi

print(f"version:  cffi {cffi.__version__}, Python {platform.python_version()}, Linux {platform.release()}", file=sys.stderr)
PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0):
    print("This kernel has no PR_SET_MDWE (Linux 6.3).", file=sys.stderr)
    sys.exit(2)


def seen(make):
    try:
        return str(make()(20))
    except MemoryError:
        return "MemoryError"


ffi = cffi.FFI()
by_ctypes = seen(lambda: ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda n: n + 1))
by_cffi = seen(lambda: ffi.callback("int(int)", lambda n: n + 1))
print(f"ctypes {by_ctypes}, cffi {by_cffi}")
PYTHON
) || status=$?
[ $status = 0 ] || exit $status
echo "expected: ctypes 21, cffi 21"
echo "seen:     $seen"
[ "$seen" = "ctypes 21, cffi MemoryError" ]
