#!/usr/bin/env bash
# Kannel cuts a long text to one SMS and answers that it was accepted; told to split it, it asks for the receipt of the first
# segment alone.
#
# Kannel 1.4.5 (Debian 12). One would expect a refusal or a text in several segments, and a receipt of each of them. So an
# Arabic notice of 71 letters arrives as 70 while sender and figures say "delivered", and of a text in three segments
# "delivered" speaks of a third.
#
# What the product does about it: docs/operate/sms-http.md ("Kannel's own settings"), `massar send-test --long`;
# tests/servers/test_kannel.py. Needs Debian's package kannel, and python3.
set -euo pipefail

for PROGRAM in bearerbox smsbox; do
    PATH="$PATH:/usr/sbin" command -v "$PROGRAM" >/dev/null || { echo "Kannel is missing: install the package kannel."; exit 2; }
done
export PATH="$PATH:/usr/sbin"
FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT

cat >"$FOLDER/finder.py" <<'PYTHON'
"""A small SMSC (SMPP 3.4), Kannel before it, one Arabic text of 150 letters sent by an account of each kind."""
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

CONF = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = a
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
dlr-storage = internal
log-file = bearerbox.log

group = smsc
smsc = smpp
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = finder
smsc-password = secret
system-type = ""
reconnect-delay = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-file = smsbox.log

group = sendsms-user
username = default
password = p

group = sendsms-user
username = split
password = p
concatenation = true
max-messages = 10
"""
taken = {}  # number -> (letters, receipt asked for) of each segment, in order


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def text(body):
    value, _, rest = body.partition(b"\0")
    return value.decode(), rest


def submitted(body):
    _, rest = text(body)
    _, rest = text(rest[2:])
    to, rest = text(rest[2:])
    joined = rest[0] & 0x40
    _, rest = text(rest[3:])
    _, rest = text(rest)
    receipt, length, said = rest[0] & 3, rest[4], rest[5:]
    said = said[:length]
    taken.setdefault(to, []).append((len(said[said[0] + 1:] if joined else said) // 2, bool(receipt)))


def talk(line):
    words = line.makefile("rb")
    while len(head := words.read(16)) == 16:
        length, command, _, number = struct.unpack(">IIII", head)
        body = words.read(length - 16)
        if command & 0x80000000:
            continue
        if command == 4:
            submitted(body)
        answer = {9: b"smsc\0", 4: b"%d\0" % number}.get(command, b"")
        line.sendall(struct.pack(">IIII", 16 + len(answer), command | 0x80000000, 0, number) + answer)


def serve(listening):
    while True:
        threading.Thread(target=talk, args=(listening.accept()[0],), daemon=True).start()


def send(port, user, to):
    asked = {"username": user, "password": "p", "from": "FINDER", "to": to, "text": "\u0634" * 150, "coding": 2, "charset": "UTF-8",
             "dlr-mask": 31, "dlr-url": "http://127.0.0.1:1/"}
    limit = time.monotonic() + 30
    while time.monotonic() < limit:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/cgi-bin/sendsms?{urllib.parse.urlencode(asked)}") as answer:
                return answer.status, answer.read().decode()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise SystemExit("Kannel did not answer")


def seen_at(to, count):
    limit = time.monotonic() + 30
    while len(taken.get(to, ())) < count and time.monotonic() < limit:
        time.sleep(0.1)
    time.sleep(1)  # whether more comes
    return taken.get(to, [])


listening = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listening,), daemon=True).start()
ports = {name: free_port() for name in ("admin", "boxes", "sendsms")}
with open("kannel.conf", "w") as file:
    file.write(CONF.format(smsc=listening.getsockname()[1], **ports))
version = subprocess.run(["bearerbox", "--version"], capture_output=True, text=True)
print("version: ", (re.search(r"bearerbox version `?([\d.]+)", version.stdout + version.stderr) or ["", "unknown"])[1])
boxes = []
try:
    for program, seconds in (("bearerbox", 3), ("smsbox", 1)):
        boxes.append(subprocess.Popen([program, "-v", "4", "kannel.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        time.sleep(seconds)
    said = [send(ports["sendsms"], user, to)[1][:2] for user, to in (("default", "+212661000001"), ("split", "+212661000002"))]
    seen = seen_at("212661000001", 1), seen_at("212661000002", 3)
finally:
    for box in boxes[::-1]:
        box.terminate()
        box.wait(20)
print("expected: a refusal, or 150 letters; and a receipt asked for each segment")
print(f"seen:     by default {seen[0]}, told to split {seen[1]} as (letters, receipt asked for); answers {said}")
as_written = seen == ([(70, True)], [(67, True), (67, False), (16, False)]) and not {"0:", "3:"}.isdisjoint(said)
sys.exit(0 if as_written else 1)
PYTHON

cd "$FOLDER"
if python3 finder.py; then
    echo "as written"
else
    echo "This has changed, or did not run: read the finding again."
    exit 1
fi
