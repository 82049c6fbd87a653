"""A SAML site asks to end the session of one of its people (SAML core §3.7, profiles §4.4).

Signed: the name and the SessionIndex must belong together, to the site that asks, and to the person in front of the
browser if somebody is signed in there; otherwise nothing ends. Of a site that need not sign, and did not or by what nobody
should trust, the word is worth a link's: nothing ends by it, the person is asked, and the site is answered.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from lxml import etree

from massar.core import xml
from massar.core.browser import Browser
from massar.domain.people import api as people
from massar.domain.sites import api as sites
from massar.journeys.account import close_sessions
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.sso import log_out_of_sites, save_request
from massar.journeys.sso.saml import response as saml_response
from massar.journeys.sso.saml.message import Message, Read, Refused, read
from massar.journeys.sso.saml.names import (
    PARTIAL_LOGOUT,
    REQUESTER,
    SAML,
    SAMLP,
    SUCCESS,
    UNKNOWN_PRINCIPAL,
    Ours,
    kinds_for,
    names_of,
    ours_for,
)

CHILDREN = (f"{{{SAML}}}NameID", f"{{{SAMLP}}}SessionIndex")
MOST_INDEXES = 20


@dataclass(frozen=True)
class Wanted:
    """A request to sign out. indexes (): every session of that name at the site. Believed if it is `proved`; `untrusted`: it
    is signed, by an algorithm that is not taken.
    """

    site: sites.Site
    id: str
    name: str
    indexes: tuple[str, ...]
    relay_state: str
    proved: bool = True
    untrusted: bool = False

    def kept(self) -> dict:
        """Texts only, so that it can wait for the browser to come back with its cookies. Only of what is proved."""
        return {"id": self.id, "name": self.name, **self._kept_in_common(), "indexes": "\n".join(self.indexes)}

    def to_confirm(self) -> dict:
        """What answers the site once the person has said yes: nothing in it would end a session by itself."""
        return {"confirms": self.id, **self._kept_in_common()}

    def _kept_in_common(self) -> dict:
        return {"site": self.site.slug, "relay_state": self.relay_state}


def kept(values: dict) -> Wanted | None:
    """What `Wanted.kept` gave; None: it is something else, or the site is no longer registered."""
    if "indexes" not in values:
        return None
    site = settings.MASSAR.sites.by_slug.get(values["site"])
    indexes = tuple(values["indexes"].split("\n")) if values["indexes"] else ()
    return Wanted(site, values["id"], values["name"], indexes, values["relay_state"]) if site else None


def confirmed(values: dict) -> Wanted | None:
    """What `Wanted.to_confirm` gave; None: it is something else, or the site is no longer registered."""
    site = settings.MASSAR.sites.by_slug.get(values["site"]) if "confirms" in values else None
    return Wanted(site, values["confirms"], "", (), values["relay_state"], proved=False) if site else None


@dataclass(frozen=True)
class Ended:
    """How it went. this_browser: its session is over. `site_knows` False: the name was none of the site's.

    partial: another site stays open that only the person's browser can tell.
    """

    site_knows: bool
    this_browser: bool
    partial: bool = False


def wanted(message: Message, *, ours: Ours, signed_in: SignedIn | None, browser: Browser, now: datetime) -> Wanted:
    """Raises Refused. ours: to which of our entities it came. signed_in, browser: in whose name unsigned IDs are remembered."""
    found = read(
        message,
        ours=ours,
        kind="LogoutRequest",
        children=CHILDREN,
        destination=ours.slo,
        signed=False,
        now=now,
        remembers=lambda: save_request.may_add_to_replay_cache(signed_in=signed_in, browser=browser, now=now),
    )
    _judge_time(found.root, now)
    name = found.root.find(f"{{{SAML}}}NameID")
    if name is None or len(name) or not name.text:
        raise Refused("request", "The LogoutRequest must hold a NameID.")
    indexes = _indexes(found)
    return Wanted(found.site, found.id, name.text.strip(), indexes, found.relay_state, found.proved, found.untrusted)


def _judge_time(root: etree._Element, now: datetime) -> None:
    until = root.get("NotOnOrAfter")
    if until is not None and (xml.instant(until) is None or xml.instant(until) <= now):
        raise Refused("expired", "NotOnOrAfter is over.")


def _indexes(found: Read) -> tuple[str, ...]:
    named = found.root.findall(f"{{{SAMLP}}}SessionIndex")
    if len(named) > MOST_INDEXES:
        raise Refused("request", "There are too many SessionIndex elements.")
    return tuple((element.text or "").strip() for element in named)


@transaction.atomic
def end_here(*, wanted: Wanted, signed_in: SignedIn | None, cookie: str, browser: Browser, now: datetime) -> Ended:
    """The person in front of the browser signs out. cookie: of a session that may have been idle for too long."""
    if signed_in is None:
        close_sessions.sign_out_left_open(cookie=cookie, browser=browser, now=now)
        return Ended(site_knows=True, this_browser=False)
    close_sessions.sign_out(signed_in=signed_in, browser=browser, now=now)
    partial = log_out_of_sites.has_left_open(
        signed_in.person.id, [signed_in.session.id], since=now, left=(wanted.site.slug,)
    )
    return Ended(True, this_browser=True, partial=partial)


@transaction.atomic
def end(*, wanted: Wanted, signed_in: SignedIn | None, browser: Browser, now: datetime) -> Ended:
    """Ends the sessions that were meant and tells the other sites. A session that had ended already is no error."""
    person = _person(wanted, signed_in)
    if person is None or (signed_in and signed_in.person.id != person.id):
        return Ended(site_knows=False, this_browser=False)
    meant = _meant(wanted, person)
    if not meant:
        return Ended(site_knows=False, this_browser=False)
    ended = close_sessions.sign_out_by_site(
        person=person, session_ids=meant, site=wanted.site.slug, browser=browser, now=now
    )
    partial = log_out_of_sites.has_left_open(person.id, ended, since=now, left=(wanted.site.slug,))
    return Ended(site_knows=True, this_browser=bool(signed_in and signed_in.session.id in ended), partial=partial)


def _person(wanted: Wanted, signed_in: SignedIn | None) -> people.PersonFacts | None:
    """By the site's own name of the person; a passing name, or a former address, says nothing without the browser's session."""
    known = sites.subjects.person_of(wanted.site.slug, wanted.name)
    if known:
        return people.directory.by_id(known)
    if wanted.site.name_id == "email" and "@" in wanted.name:
        found = people.directory.by_login(wanted.name)
        if found or not signed_in:
            return found
    return signed_in.person if signed_in else None


def _meant(wanted: Wanted, person: people.PersonFacts) -> list[int]:
    """Sessions in which the person visited the site under that name."""
    found = {}
    for visit in sites.grants.visits(wanted.site.slug, person.id):
        names = names_of(visit.sid, visit.subject, visit.login)
        own = [names[kind] for kind in kinds_for(wanted.site.name_id)]
        if wanted.name in own and (not wanted.indexes or visit.sid in wanted.indexes):
            found[visit.session_id] = True
    return list(found)


def response(*, wanted: Wanted, ended: Ended, now: datetime) -> etree._Element:
    """The LogoutResponse, which its binding signs."""
    status = (SUCCESS, PARTIAL_LOGOUT) if ended.partial else (SUCCESS,)
    status = status if ended.site_knows else (REQUESTER, UNKNOWN_PRINCIPAL)
    site = wanted.site
    return saml_response.message(
        "LogoutResponse", ours=ours_for(site), to=site.slo_answers, in_response_to=wanted.id, status=status, now=now
    )
