#!/usr/bin/env bash
# Granian gives no answer to a client that has sent its request and shut its own sending half: the connection is dropped
# while the application still works on it.
#
# Seen with: granian 2.8.7, HTTP/1.1; wsgiref of Python's own library answers the same client.
# Why it matters: TCP allows a half-closed connection (RFC 9293, 3.6), and `nc -N` or a check written by hand makes one. The
# request is worked on to its end, and whoever sent it hears nothing. It is also how a client looks that has gone: who stands
# in the line at the sign-in loses the place then.
# Ours: src/massar/interfaces/base/rsgi.py (docs/adr/0086-a-rush-is-bounded.md); tests/commands/test_door.py closes a
# connection and looks at the line.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT

python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip --quiet --disable-pip-version-check install granian==2.8.7
cat >"$folder/app.py" <<'PYTHON'
import time


def application(environ, start_response):
    time.sleep(float(environ["PATH_INFO"].strip("/")))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"done\n"]
PYTHON
cd "$folder"
cat >"$folder/look.py" <<'PYTHON'
import socket
import subprocess
import sys
import threading
import time
from wsgiref.simple_server import WSGIRequestHandler, make_server

import app
import granian


class Quiet(WSGIRequestHandler):
    def log_message(self, *about):
        pass


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(port, seconds, half_close):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(f"GET /{seconds} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        if half_close:
            line.shutdown(socket.SHUT_WR)
        answer = b""
        while part := line.recv(4096):
            answer += part
    return "answered" if answer.endswith(b"done\n") else "nothing" if not answer else "something else"


print(f"version:  granian {granian.__version__}", file=sys.stderr)
other = make_server("127.0.0.1", 0, app.application, handler_class=Quiet)
threading.Thread(target=other.serve_forever, daemon=True).start()
port = free_port()
server = subprocess.Popen([sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), "app:application"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    print("; ".join(f"{name}: {ask(number, 1, False)}, half-closed {ask(number, 1, True)}"
                    for name, number in (("wsgiref", other.server_port), ("granian", port))))
finally:
    server.terminate()
    server.wait()
PYTHON
seen=$("$folder/env/bin/python" "$folder/look.py")
echo "expected: wsgiref: answered, half-closed answered; granian: answered, half-closed answered"
echo "seen:     $seen"
[ "$seen" = "wsgiref: answered, half-closed answered; granian: answered, half-closed nothing" ]
