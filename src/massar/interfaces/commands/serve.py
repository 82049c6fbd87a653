"""Starts the web server of the product (Granian, WSGI).

One process per core; the reverse proxy in front speaks TLS. Run `massar migrate` before, and `massar worker` beside it.
"""

import os
import sys

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from massar.domain.delivery import api as delivery
from massar.interfaces.commands import carriers


def run(options) -> int:
    if settings.MASSAR.demo:
        print("The demo is started by `massar demo` and by nothing else.", file=sys.stderr)
        return 2
    if pending_migrations():
        print("The database's tables are not up to date: run `massar migrate` first.", file=sys.stderr)
        return 2
    try:
        carriers.from_settings()
    except delivery.CarrierSettingError as mistake:  # the worker could not start, and call-backs could not be read
        print(mistake, file=sys.stderr)
        return 2
    prepare_static()
    connection.close()
    os.execv(sys.executable, command(options.host, options.port, options.processes))


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


def pending_migrations() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def prepare_static() -> None:
    """Styles, scripts and fonts under names that hold their content's hash, compressed once."""
    settings.MASSAR.var.mkdir(parents=True, exist_ok=True)
    call_command("collectstatic", interactive=False, verbosity=0, clear=True)
