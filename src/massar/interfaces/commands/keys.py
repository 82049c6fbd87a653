"""Lists or rolls the keys that sign for sites."""

import argparse
from datetime import timedelta

from massar.core import clock, local_time
from massar.domain.sites import api as sites

USES = {"oidc": (sites.keys.ES256, sites.keys.RS256), "saml": (sites.keys.SAML,)}


def run(options: argparse.Namespace) -> int:
    now = clock.now()
    if options.action == "list":
        lines = [
            f"{key.use:<6} {key.kid}  {key.state:<8} signs from {local_time.stamp(key.active_from)}"
            for key in sites.keys.statuses(now=now)
        ]
        lines = lines or ["There is no key yet: the first site makes the first one."]
    else:
        lead = None if options.days is None else timedelta(days=options.days)
        lines = sites.keys.rotate(now=now, uses=USES[options.use], at_once=options.at_once, lead=lead)
    print("\n".join(lines))
    return 0
