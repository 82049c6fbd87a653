"""Lists or rolls the keys that sign for sites."""

from __future__ import annotations

import argparse
from datetime import timedelta

from massar.core import clock, local_time
from massar.domain.sites import api as sites

USES = {"oidc": (sites.keys.ES256, sites.keys.RS256), "saml": (sites.keys.SAML,)}


def run(options: argparse.Namespace) -> int:
    return _list() if options.action == "list" else _rotate(options)


def _list() -> int:
    held = sites.keys.statuses(now=clock.now())
    for key in held:
        print(f"{key.use:<6} {key.kid}  {key.state:<8} signs from {local_time.stamp(key.active_from)}")
    if not held:
        print("There is no key yet: the first site makes the first one.")
    return 0


def _rotate(options: argparse.Namespace) -> int:
    lead = None if options.days is None else timedelta(days=options.days)
    for sentence in sites.keys.rotate(now=clock.now(), uses=USES[options.use], at_once=options.at_once, lead=lead):
        print(sentence)
    return 0
