"""The account behind nginx as it comes: nothing that a site asks with is too long on the way back."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.cast import YOUSSEF
from tests.servers.machine import open_folder, program, running
from tests.servers.surfer import Surfer
from tests.support.programs import NGINX

CONF = """
daemon off; master_process off; pid nginx.pid; error_log error.log info;
events {{ worker_connections 64; }}
http {{
  access_log access.log;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{account}; proxy_set_header Host localhost:{account}; }}
  }}
}}
"""


@pytest.fixture(scope="module")
def front(account, layout):
    """The account's address behind nginx; its limits are those that nobody has touched."""
    with open_folder() as folder:
        (folder / "nginx.conf").write_text(CONF.format(port=layout.port("front"), account=layout.port("account")))
        command = [program(NGINX), "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"]
        with running(command, folder=folder, ports=(layout.port("front"),), logs=("error.log", "access.log")):
            yield f"http://localhost:{layout.port('front')}"


@pytest.mark.parametrize("length", [2001, 7000])
@pytest.mark.parametrize("by", ["address", "form"])
def test_a_long_state_goes_through_and_comes_back(front, layout, length, by):
    """By address as far as nginx takes one (8 KiB); a posted request may be longer, and what goes back always is."""
    surfer = Surfer(stops_at=layout.at("authlib"))
    fields = {
        "response_type": "code", "client_id": "authlib", "redirect_uri": layout.at("authlib", "/back"),
        "scope": "openid", "state": "s" * length, "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    for who in ("a stranger", "signed in already"):
        if by == "address":
            surfer.open(f"{front}/authorize?{urlencode(fields)}")
        else:
            surfer.post(f"{front}/authorize", fields)
        if who == "a stranger":
            surfer.submit("/sign-in/", user=YOUSSEF.login, password=YOUSSEF.password)
        came = urlsplit(surfer.way[-1])
        assert came._replace(query="").geturl() == fields["redirect_uri"], (surfer.way[-1], surfer.page.text[:500])
        assert parse_qs(came.query)["state"] == [fields["state"]]
