"""The web server's command line and its static files. Knows no tables: the demo needs it before the settings are read."""

import sys

from django.conf import settings
from django.core.management import call_command


def command(host: str, port: int, processes: int) -> list[str]:
    """The server's command line; its threads are those of `interfaces/frame/door.py`."""
    return [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "rsgi",
        "massar.config.wsgi:server",
        "--host",
        host,
        "--port",
        str(port),
        "--workers",
        str(processes),
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
