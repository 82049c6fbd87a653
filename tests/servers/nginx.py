"""nginx in front of old sites: the files of deploy/nginx as they are, a backend that knows no protocol."""

import contextlib
import re
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

from tests.servers.gate_steps import Backend
from tests.servers.machine import program, running
from tests.servers.sites import Layout
from tests.support.product import ROOT
from tests.support.programs import NGINX
from tests.support.serving import serving

DEPLOY = ROOT / "deploy" / "nginx"
SITE = (DEPLOY / "site.conf").read_text("utf-8")
BASE = """
daemon off; master_process off; pid nginx.pid; error_log error.log info;
events {{ worker_connections 64; }}
http {{
  access_log access.log;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  include massar-gate-http.conf;
{of_the_page}
  upstream counted_account {{ server 127.0.0.1:{pipe}; keepalive 16; }}
  upstream nobody_there {{ server 127.0.0.1:1; }}
{servers}
}}
"""
MORE_LOCATIONS = """
    location /php/ {{
      include massar-gate-guard-fastcgi.conf; fastcgi_param REQUEST_URI $request_uri; fastcgi_pass 127.0.0.1:{fastcgi};
    }}
    location /wsgi/ {{
      include massar-gate-guard-uwsgi.conf; uwsgi_param REQUEST_URI $request_uri; uwsgi_pass 127.0.0.1:{uwsgi};
    }}
    location /scgi/ {{
      include massar-gate-guard-scgi.conf; scgi_param REQUEST_URI $request_uri; scgi_pass 127.0.0.1:{scgi};
      location /scgi/inner/ {{
        include massar-gate-guard-scgi.conf; scgi_param REQUEST_URI $request_uri; scgi_pass 127.0.0.1:{scgi};
      }}
    }}
    location /socket/ {{
      include massar-gate-guard.conf; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_pass http://127.0.0.1:{socket};
    }}
    location /outer/ {{
      include massar-gate-guard.conf; proxy_pass http://127.0.0.1:{backend};
      location /outer/inner/ {{
        include massar-gate-guard.conf; proxy_set_header X-Real-IP $remote_addr; proxy_pass http://127.0.0.1:{backend};
      }}
    }}
"""


@contextlib.contextmanager
def running_nginx(layout: Layout, folder: Path) -> Iterator[None]:
    """nginx with four sites, each in front of the same backend; not all of them reach the account."""
    binary = program(NGINX)
    for file in DEPLOY.glob("massar-gate*.conf"):  # as they are, without the TLS that loopback has not
        (folder / file.name).write_text(re.sub(r"^ *proxy_ssl_.*\n", "", file.read_text("utf-8"), flags=re.MULTILINE))
    upstreams = {
        "gated": "massar_account", "archive": "massar_account", "counted": "counted_account", "lost": "nobody_there",
    }  # fmt: skip
    servers = "".join(_server(layout, name, upstream) for name, upstream in upstreams.items())
    here = {"compte.example.ma:443": f"127.0.0.1:{layout.port('account')}"}
    of_the_page = _swapped(SITE[: SITE.index("server {\n")], here)
    conf = BASE.format(pipe=layout.port("pipe"), of_the_page=of_the_page, servers=servers)
    (folder / "nginx.conf").write_text(conf)
    command = [binary, "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"]
    listening = tuple(layout.port(name) for name in upstreams)
    with (
        serving(ThreadingHTTPServer(("127.0.0.1", layout.port("backend")), Backend)),
        running(command, folder=folder, ports=listening, logs=("error.log", "access.log")),
    ):
        yield


def _server(layout: Layout, name: str, upstream: str) -> str:
    """As site.conf has it, on loopback and without TLS, and with locations of more kinds."""
    here = {
        "listen 443 ssl": f"listen 127.0.0.1:{layout.port(name)}", "https://notifrh.example.ma": layout.at(name),
        "https://massar_account": f"http://{upstream}", " compte.example.ma": f" localhost:{layout.port('account')}",
        "127.0.0.1:8080": f"127.0.0.1:{layout.port('backend')}",
    }  # fmt: skip
    server = re.sub(r"^ +(ssl_\w+|server_name) .*\n", "", SITE[SITE.index("server {\n") :], flags=re.MULTILINE)
    places = {one: layout.port(one) for one in ("backend", "fastcgi", "uwsgi", "scgi", "socket")}
    return _swapped(server, here).rstrip().removesuffix("}") + MORE_LOCATIONS.format(**places) + "}\n"


def _swapped(text: str, here: dict[str, str]) -> str:
    for told, ours in here.items():
        assert text.count(told) == 1, told
        text = text.replace(told, ours)
    return text
