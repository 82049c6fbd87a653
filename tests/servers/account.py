"""The product itself, started as an operator starts it: tables, web server and worker, sites in a file."""

import contextlib
import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cast import YOUSSEF
from tests.servers.machine import running
from tests.servers.surfer import Surfer
from tests.support.product import ROOT

COMMAND = [sys.executable, "-m", "massar"]


@dataclass(frozen=True)
class Account:
    """A running product: its address (no slash at the end) and the folder with its logs."""

    url: str
    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str, typed: str = "") -> str:
        """`massar …` to its end; what it printed."""
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=self.folder, env={**os.environ, **self.environment},
            input=f"{typed}\n", capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"massar {arguments[0]}: {done.stdout}{done.stderr}"
        return done.stdout

    def sign_in(self, surfer: Surfer, person=YOUSSEF) -> None:
        """At the sign-in page in front of the surfer, or at the product's own."""
        if surfer.page is None or not surfer.page.address.startswith(f"{self.url}/sign-in/"):
            surfer.open(f"{self.url}/sign-in/")
        surfer.submit("/sign-in/", user=person.login, password=person.password)

    def sign_out(self, surfer: Surfer) -> None:
        surfer.open(f"{self.url}/")
        surfer.submit("/sign-out/")


@contextlib.contextmanager
def running_account(folder: Path, port: int, sites: str, **settings: str) -> Iterator[Account]:
    """Starts the product on that port with `sites` (TOML) as its MASSAR_CONFIG and one person of the cast.

    Without the variables of the tests around it. Plain http is for this machine only, as in the demo.
    """
    (folder / "sites.toml").write_text(sites, "utf-8")
    environment = {name: "" for name in os.environ if name.startswith("MASSAR_")} | {
        "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "massar.config.django_settings", "MASSAR_MODE": "test",
        "MASSAR_PUBLIC_URL": f"http://localhost:{port}", "MASSAR_VAR": str(folder / "var"),
        "MASSAR_CONFIG": str(folder / "sites.toml"), "MASSAR_DATABASE_URL": f"sqlite:///{folder}/massar.sqlite3",
        "MASSAR_ARGON2": "256,1", **settings,
    }  # fmt: skip
    account = Account(f"http://localhost:{port}", folder, environment)
    account.run("migrate")
    account.run(
        "createperson", YOUSSEF.login, "--name", "Youssef", "Benali", "--name-ar", "يوسف", "بنعلي",
        "--school", *YOUSSEF.establishment, "--language", "fr", "--email", YOUSSEF.email, "--password-stdin",
        typed=YOUSSEF.password,
    )  # fmt: skip
    (folder / "worker").mkdir()
    serve = [*COMMAND, "serve", "--host", "127.0.0.1", "--port", str(port), "--processes", "1"]
    with (
        running(serve, folder=folder, ports=(port,), environment=environment),
        running([*COMMAND, "worker"], folder=folder / "worker", ports=(), environment=environment),
        contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as line,
    ):
        # The address is taken before the first process that answers there has read its code.
        line.request("GET", "/healthz", headers={"Host": f"localhost:{port}"})
        assert line.getresponse().status == 200
        yield account
