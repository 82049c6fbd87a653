#!/usr/bin/env bash
# Authlib puts client id and secret into the Basic header as they are; RFC 6749 §2.3.1 wants each form-encoded first.
#
# Seen with: Authlib 1.9.9 (client_secret_basic, its default where there is a secret).
# Why it matters: a secret that holds + or % is another one at every server that decodes as the RFC says: 401, and an operator who
# looks for a typing mistake.
# Ours: src/massar/providers/oauth_token.py hands them over encoded;
# tests/contracts/test_http_answers.py::test_a_token_is_fetched_once_and_shown_with_every_message.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/env"
"$folder/env/bin/python" -m pip --quiet --disable-pip-version-check install authlib==1.9.9

seen=$("$folder/env/bin/python" - <<'PYTHON'
import base64
import sys

import authlib
from authlib.oauth2.client import OAuth2Client

print(f"version:  Authlib {authlib.__version__}", file=sys.stderr)


class Session:
    """Stands where requests or httpx would; keeps the header that would be sent."""

    def post(self, url, data, headers, auth):
        _, headers, _ = auth.prepare("POST", url, dict(headers), "")
        print(base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode())
        raise SystemExit


OAuth2Client(Session(), "massar", "a+b%c").fetch_token("https://login.example/token", grant_type="client_credentials")
PYTHON
)
echo "expected: massar:a%2Bb%25c"
echo "seen:     $seen"
[ "$seen" = "massar:a+b%c" ]
