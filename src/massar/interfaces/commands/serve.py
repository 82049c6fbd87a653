"""Starts the web server of the product (Granian, WSGI).

One process per core; the reverse proxy in front speaks TLS. Run `massar migrate` before, and `massar worker` beside it.
"""

import os
import sys

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from massar.core import clock
from massar.domain.delivery import api as delivery
from massar.domain.sites import api as sites
from massar.interfaces.commands import carriers, web_server


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
    sites.keys.published(sites.keys.USES, now=clock.now())  # made once, here: many first requests would each make one
    web_server.prepare_static()
    connection.close()
    os.execv(sys.executable, web_server.command(options.host, options.port, options.processes))


def pending_migrations() -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
