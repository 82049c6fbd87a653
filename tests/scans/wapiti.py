"""wapiti: a crawler that tries injections in every field it meets, as a stranger and as somebody who is signed in."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.scans.found import Finding, Scan
from tests.scans.place import HOST, debian_version

MODULES = (
    "backup", "blindsql", "cookieflags", "crlf", "csp", "csrf", "exec", "file", "htaccess", "http_headers", "methods",
    "permanentxss", "redirect", "shellshock", "sql", "ssrf", "xss", "xxe",
)  # fmt: skip
CRAWL_SECONDS, MODULE_SECONDS = 60, 60
# Debian's 3.0.4 can't leave an address out on Python 3.11 (its pattern has its flags at the end), and does not know the
# name of Django's field against forged forms: both are put right in its own process before it begins.
PROGRAM = r"""
import re, sys
from wapitiCore.attack.mod_csrf import mod_csrf
from wapitiCore.net import crawler
crawler.wildcard_translate = lambda text: re.compile("(?ms)" + ".*".join(map(re.escape, text.split("*"))) + r"\Z")
mod_csrf.TOKEN_FORM_STRINGS.append("csrfmiddlewaretoken")
from wapitiCore.main.wapiti import wapiti_main
sys.argv[0] = "wapiti"
wapiti_main()
"""


def run(
    url: str, folder: Path, *, against: str, who: str, modules: tuple[str, ...] = MODULES, leaves: tuple[str, ...] = (),
    cookies: dict[str, str] | None = None, depth: int = 40,
) -> Scan:  # fmt: skip
    """leaves: addresses that are left alone, `*` stands for anything."""
    report, arguments = folder / f"wapiti-{who.replace(' ', '-')}.json", []
    if cookies:
        jar = folder / "cookies.json"
        jar.write_text(json.dumps({f".{HOST}.local": {"/": {name: _cookie(value) for name, value in cookies.items()}}}))
        arguments += ["--cookie", str(jar)]
    for one in leaves:
        arguments += ["-x", f"{url}{one}"]
    with listening() as (endpoint, called):
        command = [
            "/usr/bin/python3", "-I", "-c", PROGRAM, "-u", f"{url}/", "--scope", "folder", "-m", ",".join(modules),
            "--endpoint", endpoint, "--no-bugreport", "--verify-ssl", "0", "-d", str(depth), "-t", "10", "-v", "1",
            "--max-scan-time", str(CRAWL_SECONDS), "--max-attack-time", str(MODULE_SECONDS), "--flush-session",
            "--store-session", str(folder / "session"), "--store-config", str(folder / "config"), "-f", "json",
            "-o", str(report), *arguments,
        ]  # fmt: skip
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1800)
    report.with_suffix(".txt").write_text(done.stdout + done.stderr)
    told = json.loads(report.read_text())
    kinds = {**told["vulnerabilities"], **told["anomalies"]}
    found = [Finding("wapiti", _what(kind, one), _where(one)) for kind, many in kinds.items() for one in many]
    found += [Finding("wapiti", "asked an address that a field named", path) for path in called]
    seen = len({line for line in done.stdout.splitlines() if line.startswith("[+] ")})
    did = f"{len(modules)} modules as {who}; {seen} pages, forms and files attacked"
    return Scan("wapiti", debian_version("wapiti"), against, did, found)


def _cookie(value: str) -> dict[str, object]:
    return {"value": value, "expires": None, "secure": False, "port": None, "version": 0}


def _what(kind: str, one: dict) -> str:
    return f"{kind}: {one['info'].partition(' : ')[0]}"[:120]


def _where(one: dict) -> str:
    return f"{one['method']} {one['path']}{' ' + one['parameter'] if one['parameter'] else ''}"


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """Where wapiti's payloads point to: whatever is asked here but wapiti's own two questions, was asked by us."""
    called: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            own = self.path.startswith(("/get_ssrf.php", "/get_xxe.php"))
            if not own:
                called.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", called
    finally:
        server.shutdown()
        server.server_close()
