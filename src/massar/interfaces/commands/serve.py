"""Starts the web server of the product (Granian, RSGI), one process per core."""

import argparse
import os
import sys

from django.conf import settings
from django.db import connection

from massar.core import argon2id, clock, encryption
from massar.domain.delivery import api as delivery
from massar.domain.sites import api as sites
from massar.interfaces.commands import providers, web_server


def run(options: argparse.Namespace) -> int:
    if settings.MASSAR.demo:
        print("The demo is started by `massar demo` and by nothing else.", file=sys.stderr)
        return 2
    try:
        listening = web_server.listen(options.host, options.port)
    except web_server.PortTaken as sentence:  # before anything else: what the first one serves is not touched
        print(sentence, file=sys.stderr)
        return 1
    try:
        providers.from_settings()
    except delivery.ProviderSettingError as mistake:  # the worker could not start, and call-backs could not be read
        print(mistake, file=sys.stderr)
        return 2
    try:
        sites.keys.published(sites.keys.USES, now=clock.now())  # made here, or many first requests would each make one
    except encryption.Broken as why:
        mend = "restore that row from a backup, or make new keys: `massar keys rotate --at-once`"
        print(f"A key that signs for sites can't be opened, {why}: {mend}.", file=sys.stderr)
        return 2
    web_server.prepare_static()
    connection.close()
    return os.execv(sys.executable, web_server.command(listening, options.processes, argon2=_hashes_by()))


def _hashes_by() -> str:
    """The library that hashes fastest here. Where there is one, which is the rule, nothing is measured."""
    cost = settings.MASSAR.argon2
    if len(argon2id.LIBRARIES) == 1:
        return argon2id.USUAL
    return argon2id.fastest(argon2id.measured(cost.memory_kib, cost.passes))
