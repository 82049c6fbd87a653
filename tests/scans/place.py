"""Where the scans look: a demo, an account for programs, the same behind nginx with TLS. All of it on loopback."""

import contextlib
import hashlib
import re
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import trustme

from tests.servers.machine import running as running_program
from tests.support.installation import Installation, is_served, running
from tests.support.postgres import free_port
from tests.support.programs import NGINX, find_server
from tests.support.waits import until

ROOT = Path(__file__).resolve().parents[2]
HOST = "localhost"
SITE, SECRET, METRICS = "scanned", secrets.token_urlsafe(32), secrets.token_urlsafe(32)
REGISTRY = f"""
[sites.{SITE}]
name = {{ en = "{SITE}" }}
protocol = "oidc"
client_id = "{SITE}"
client_secret = "sha256:{hashlib.sha256(SECRET.encode()).hexdigest()}"
redirect_uris = ["http://127.0.0.1:1/back"]
introspects = true
service = true

[providers.gateway]
kind = "http"
url = "http://127.0.0.1:1/send"
form = {{ to = "{{to_plain}}", text = "{{text}}" }}
[providers.gateway.receipt]
reference = "id"
state = "status"
states = {{ DELIVERED = "delivered", REJECTED = "failed" }}
"""
EXAMPLE = ROOT / "deploy" / "nginx" / "account.conf"
AROUND = """
daemon off; master_process off; pid nginx.pid; error_log error.log info;
events {{ worker_connections 256; }}
http {{
  access_log access.log;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
{servers}
}}
"""
START_SECONDS = 60


class Account(NamedTuple):
    """A running account for programs: its address, and the token of the receipts' address that a gateway is told."""

    url: str
    receipt: str


@contextlib.contextmanager
def serving(folder: Path, public_url: str = "", **settings: str) -> Iterator[Account]:
    """`massar serve` on a free port, with one site and one gateway. public_url: where it stands for the world."""
    port = free_port()
    account, here = Installation(folder), f"http://{HOST}:{port}"
    (folder / "sites.toml").write_text(REGISTRY)
    account.environ |= {
        "MASSAR_PUBLIC_URL": public_url or here, "MASSAR_METRICS_TOKEN": METRICS,
        "MASSAR_CONFIG": str(folder / "sites.toml"), **settings,
    }  # fmt: skip
    account.massar("migrate")
    receipt = re.search(r"/receipts/gateway/(\w+)", account.massar("check").stdout)
    words = ("serve", "--port", str(port), "--processes", "1")
    with (folder / "serve.txt").open("w") as output:
        with running(*words, folder=folder, environ=account.environ, stdout=output, stderr=output):
            until(lambda: is_served(port), START_SECONDS, "the account did not start")
            yield Account(here, receipt[1] if receipt else "")


class Front(NamedTuple):
    """The account behind nginx with TLS, and the certificate of the authority that nobody else knows."""

    url: str
    authority: Path


@contextlib.contextmanager
def behind_nginx(folder: Path) -> Iterator[Front]:
    """deploy/nginx/account.conf as it stands, on a port of loopback, with a certificate of a throw-away authority."""
    port, url = free_port(), f"https://{HOST}"
    url = f"{url}:{port}"
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST)
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    (folder / "certificate.pem").write_bytes(b"".join(part.bytes() for part in certificate.cert_chain_pems))
    with serving(folder, url, MASSAR_TRUSTED_PROXIES="1") as account:
        here = {
            "listen 443": f"listen 127.0.0.1:{port}", "listen 80": f"listen 127.0.0.1:{free_port()}",
            "/etc/ssl/private/compte.example.ma.key": "key.pem", "/etc/ssl/compte.example.ma.pem": "certificate.pem",
            "http://127.0.0.1:8000": account.url.replace(HOST, "127.0.0.1"), "Host $host;": f"Host {HOST}:{port};",
        }  # fmt: skip
        servers = EXAMPLE.read_text("utf-8").replace("compte.example.ma;", f"{HOST};")
        for told, ours in here.items():
            assert servers.count(told) == 1, told
            servers = servers.replace(told, ours)
        (folder / "nginx.conf").write_text(AROUND.format(servers=servers))
        command = [find_server(NGINX) or "nginx", "-p", f"{folder}/", "-c", "nginx.conf", "-e", "error.log"]
        with running_program(command, folder=folder, ports=(port,), logs=("error.log",)):
            yield Front(url, folder / "authority.pem")


def version(name: str) -> str:
    """Of a package in requirements/scan.txt."""
    found = re.search(rf"^{name}==(\S+)", (ROOT / "requirements" / "scan.txt").read_text(), re.MULTILINE)
    return found[1] if found else ""


def debian_version(package: str) -> str:
    command = ["dpkg-query", "--show", "--showformat=${Version}", package]
    return subprocess.run(command, capture_output=True, text=True).stdout
