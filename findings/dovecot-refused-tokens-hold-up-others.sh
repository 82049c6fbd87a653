#!/usr/bin/env bash
# Dovecot: access tokens that have ended make everybody else at the same address wait, with a right token too.
#
# Dovecot 2.3.19.1 (Debian 12). The penalty of its service anvil slows down guessing at passwords, by address. It counts
# refused OAuth 2.0 tokens as well, though no token is guessed and every mail program tries its own once more when it has
# ended. One would expect a right token of another person to open the mailbox at once; behind a webmail it takes seconds.
#
# What the product does about it: deploy/dovecot/massar.conf, docs/integrate/dovecot.md; tests/servers/test_dovecot_waits.py.
# Needs Debian's package dovecot-imapd, python3, and root, as Dovecot does.
set -euo pipefail

export PATH="$PATH:/usr/sbin"
command -v dovecot >/dev/null || { echo "Dovecot is missing: install the package dovecot-imapd."; exit 2; }
[ "$(id -u)" = 0 ] || { echo "Dovecot starts as root only."; exit 2; }
FOLDER=$(mktemp -d)
chmod 755 "$FOLDER"
trap 'rm -rf "$FOLDER"' EXIT

cat >"$FOLDER/finder.py" <<'PYTHON'
"""An introspection endpoint (RFC 7662), Dovecot before it, and sign-ins by XOAUTH2 from one address."""
import http.server
import imaplib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

CONF = """
base_dir = {here}/run
state_dir = {here}/state
log_path = {here}/log
listen = 127.0.0.1
protocols = imap
ssl = no
disable_plaintext_auth = no
auth_mechanisms = xoauth2
auth_failure_delay = 0
mail_location = maildir:~/mail
passdb {{
  driver = oauth2
  mechanisms = xoauth2
  args = {here}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={here}/homes/%u
}}
first_valid_uid = 100
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
}}
service anvil {{
  chroot =
{penalty}
}}
"""
OFF = "  unix_listener anvil-auth-penalty {\n    mode = 0\n  }"


class Account(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        asked = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        body = json.dumps({"active": True, "username": "right"} if asked["token"] == ["right"] else {"active": False}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def opens(port, user, token):
    with imaplib.IMAP4("127.0.0.1", port, timeout=60) as box:
        try:
            said = f"user={user}\x01auth=Bearer {token}\x01\x01".encode()
            box.authenticate("XOAUTH2", lambda answer: b"" if answer else said)
        except imaplib.IMAP4.error:
            return False
        return True


def seconds(penalty, account):
    """Until a right token opens a mailbox, before and after three that have ended."""
    here, imap = f"{os.getcwd()}/{'off' if penalty else 'on'}", free_port()
    os.makedirs(f"{here}/homes")
    os.chown(f"{here}/homes", 65534, 65534)
    with open(f"{here}/oauth2.conf", "w") as file:
        file.write(f"introspection_mode = post\nintrospection_url = http://127.0.0.1:{account}/\n"
                   "active_attribute = active\nactive_value = true\nusername_attribute = username\n")
    with open(f"{here}/dovecot.conf", "w") as file:
        file.write(CONF.format(here=here, imap=imap, penalty=penalty))
    dovecot = subprocess.Popen(["dovecot", "-F", "-c", f"{here}/dovecot.conf"])
    try:
        time.sleep(3)
        taken = []
        for refused in (0, 3):
            assert not any(opens(imap, "ended", "ended") for _ in range(refused))
            began = time.monotonic()
            assert opens(imap, "right", "right")
            taken.append(round(time.monotonic() - began, 2))
        return taken
    finally:
        dovecot.terminate()
        dovecot.wait(20)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Account)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("version: ", subprocess.run(["dovecot", "--version"], capture_output=True, text=True).stdout.strip())
print("expected: as quick after refused tokens of somebody else as before", flush=True)
on, off = seconds("", server.server_port), seconds(OFF, server.server_port)
print(f"seen:     {on[0]} s before, {on[1]} s after; with the penalty off {off[0]} and {off[1]} s")
sys.exit(0 if on[1] > 2 and on[1] > 4 * max(on[0], off[1]) else 1)
PYTHON

cd "$FOLDER"
if python3 finder.py; then
    echo "as written"
else
    echo "This has changed, or did not run: read the finding again."
    exit 1
fi
