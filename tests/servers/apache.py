"""Debian's Apache with the modules that one test needs, on loopback, out of a folder of its own."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tests.servers.machine import program, running
from tests.support.programs import APACHE, APACHE_MODULES, Need

CONF = """
ServerRoot "{folder}"
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile "{folder}/apache.pid"
ErrorLog "{folder}/error.log"
LogLevel info {module_log}
DefaultRuntimeDir "{folder}"
Mutex posixsem
{modules}
{user}
DocumentRoot "{folder}/pages"
<Directory "{folder}/pages">
  Require all granted
</Directory>
{site}
"""
SYMBOLS = {"shib": "mod_shib"}  # of modules that are not called NAME_module inside
BASE = ("mpm_event", "authn_core", "authz_core", "authz_user", "authz_host", "headers", "dir", "alias")


@contextlib.contextmanager
def running_apache(folder: Path, port: int, need: Need, module: str, site: str, *, log: str = "") -> Iterator[None]:
    """`site`: what stands inside the server, besides the module. /open/ and /private/ hold a page each."""
    binary = program(APACHE)
    program(need)
    for place in ("open", "private"):
        page = folder / "pages" / place / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(f"<h1>{place}</h1>")
    symbols = {name: SYMBOLS.get(name, f"{name}_module") for name in (*BASE, module)}
    conf = CONF.format(
        folder=folder, port=port, site=site, module_log=log,
        modules="\n".join(f"LoadModule {symbol} {APACHE_MODULES}/mod_{name}.so" for name, symbol in symbols.items()),
        user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
    )  # fmt: skip
    (folder / "apache.conf").write_text(conf)
    command = [binary, "-f", str(folder / "apache.conf"), "-DFOREGROUND"]
    with running(command, folder=folder, ports=(port,), logs=("error.log",)):
        yield
