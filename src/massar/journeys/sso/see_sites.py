"""The registered sites as the desk shows them: what stands in the file, what is wrong with it, who enters or not.

Reading is bounded: refusals and entries are counted among the newest rows of the audit log, at most a day old."""

from collections import Counter
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from django.conf import settings

from massar.core import clock
from massar.core.audit import api as audit_log
from massar.domain.sites import api as sites
from massar.domain.sites.api import Finding, Site
from massar.journeys.sso import judge_sites

WINDOW = timedelta(days=1)
MOST_ROWS = 50_000  # of the audit log


class SiteSeen(NamedTuple):
    """ends: of the site's certificates, soonest first. entered: how often within the window; last: when last, as far as
    that is kept. refused: by reason, in the window."""

    site: Site
    findings: list[Finding]
    ends: list[datetime]
    entered: int
    last: datetime | None
    refused: dict[str, int]


class SitesSeen(NamedTuple):
    """own: sentences about the account's own certificate."""

    sites: list[SiteSeen]
    own: list[str]
    own_ends: datetime | None


def look(*, now: datetime) -> SitesSeen:
    entered, last, refused = Counter[str](), dict[str, datetime](), dict[str, Counter[str]]()
    for event, outcome, site, number, at in audit_log.newest_of(
        ("site_entered", "site_refused"), since=now - WINDOW, most=MOST_ROWS
    ):
        if event == "site_refused":
            refused.setdefault(site, Counter())[outcome] += number
        else:
            entered[outcome] += number
            last[outcome] = max(at, last.get(outcome, at))
    for slug, created_at in sites.grants.newest(settings.MASSAR.sites.by_slug).items():
        at = clock.from_micros(created_at * 1_000_000)
        last[slug] = max(at, last.get(slug, at))
    found = [
        SiteSeen(
            one, list(judge_sites.judged(one, now)), _ends(one), entered[one.slug], last.get(one.slug),
            dict(refused.get(one.slug, {})),
        )
        for one in settings.MASSAR.sites.sites
    ]  # fmt: skip
    expiry = sites.keys.saml_certificate_expiry(now=now)
    return SitesSeen(found, judge_sites.own_certificate_judged(now), expiry[0] if expiry else None)


def _ends(site: Site) -> list[datetime]:
    try:
        known = x509.load_pem_x509_certificates(site.certificate.encode()) if site.certificate else []
    except ValueError:  # said among the findings
        return []
    return sorted(one.not_valid_after_utc for one in known)
