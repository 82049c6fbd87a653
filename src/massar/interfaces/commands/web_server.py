"""The web server's command line and its static files. Knows no tables: the demo needs it before the settings are read."""

import sys

from django.conf import settings
from django.core.management import call_command


def command(host: str, port: int, processes: int) -> list[str]:
    """The server's command line. Threads wait for the hash gate and the database; 24 of them keep one core busy."""
    return [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "massar.config.wsgi:application",
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        str(processes),
        "--blocking-threads",
        "24",
        "--no-ws",
        "--backlog",
        "1024",
        "--log-level",
        "error",
        "--respawn-failed-workers",
    ]


def prepare_static() -> None:
    """Styles, scripts and fonts under names that hold their content's hash, compressed once."""
    settings.MASSAR.var.mkdir(parents=True, exist_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
