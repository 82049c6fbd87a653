"""Asking a site over the network, as a stranger and as the account: do the addresses of its table answer well?

Only addresses of the operator's file are asked, and redirects are not followed."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from http import HTTPStatus

from massar.core import clock, ids
from massar.core.saml.messages import LogoutResponse, MessageRefused
from massar.domain.delivery import api as delivery
from massar.domain.sites.api import Site
from massar.journeys.sso import access, log_out_of_sites
from massar.journeys.sso.saml import sign_out
from massar.providers import site_logout

Tried = tuple[bool, str]  # whether it went well, and a sentence
VALID_FOR = timedelta(hours=1)  # a LogoutRequest about nobody
Left = Callable[[], float]  # how many seconds the next question may take
PATIENCE = 20.0  # seconds for one question, where nobody waits but who asks
NO_TIME = "nothing: no time was left to ask; `massar sites test` takes as long as it needs"


def sites() -> dict[str, delivery.Provider]:
    """What tells sites of the end of a session. It needs no setting: addresses stand in the registry."""
    options = delivery.ProviderOptions(name="sites", connect_timeout=3.0, answer_timeout=8.0, total_timeout=10.0)
    return {channel: site_logout.SiteProvider(channel, options) for channel in ("site", "soap")}


def run(site: Site, *, left: Left = lambda: PATIENCE) -> list[Tried]:
    """Try all that a connected site says of itself. Where no time is left nothing is asked, and nothing went well."""
    tried = list(try_gate(site, left) if site.protocol == "gate" else try_pages(site, left))
    if site.backchannel_logout_uri:
        tried += try_logout_token(site, site.backchannel_logout_uri, left)
    if site.slo_soap:
        tried += try_soap(site, site.slo_soap, left)
    return tried


def try_pages(site: Site, left: Left) -> Iterator[Tried]:
    """Whether the addresses that browsers are sent to answer at all; a site may well refuse an empty request."""
    for address in (*site.redirect_uris, *site.acs):
        if address not in site.loopback_uris:
            status, word = _ask("GET", address, left)
            yield 0 < status < 500, f"{address} answers {word}"


def try_gate(site: Site, left: Left) -> Iterator[Tried]:
    """A stranger must be sent to the account; a page would mean that the gate stands open."""
    status, word = _ask("GET", f"{site.gate_origin}/", left)
    closed = status in (302, 303, 307) and word.startswith(f"{access.issuer()}/gate/start/")
    yield closed, f"{site.gate_origin}/ shows a stranger {'the way to the account' if closed else word}"
    status, word = _ask("GET", f"{site.gate_origin}/a/../b//c", left)
    yield 400 <= status < 500, f"{site.gate_origin}/a/../b//c, an odd address, is answered with {word}"


def try_logout_token(site: Site, uri: str, left: Left) -> Iterator[Tried]:
    """A signed logout token about nobody: a site that verifies it says 200 or 204, and ends nothing."""
    token = log_out_of_sites.logout_token_for(site, ids.short_token(), ids.short_token(), now=clock.now())
    status, word = _ask("POST", uri, left, {"logout_token": token})
    yield status in (200, 204), f"{uri} answers our logout token with {word}"
    status, word = _ask("POST", uri, left, {"logout_token": f"{token[:-8]}AAAAAAAA"})
    yield status == 400, f"{uri} answers a forged one with {word}"


def try_soap(site: Site, address: str, left: Left) -> Iterator[Tried]:
    """A signed LogoutRequest about nobody must be answered believably, a forged one without success."""
    answer, word = _ask_by_soap(site, address, left)
    yield answer is not None, f"{address} answers our LogoutRequest with {word}"
    answer, word = _ask_by_soap(site, address, left, forge=True)
    refused = answer is None or not answer.is_success
    yield refused and word != NO_TIME, f"{address} answers a forged one with {word}"


def _ask_by_soap(site: Site, address: str, left: Left, *, forge: bool = False) -> tuple[LogoutResponse | None, str]:
    """The answer if it can be believed, and what it says or why not."""
    seconds = left()
    if seconds <= 0:
        return None, NO_TIME
    id = f"_{ids.short_token()}"
    text = sign_out.soap_request_about_nobody(site, id, now=clock.now())
    if forge:  # another name than the one that was signed
        text = re.sub(r"(<saml:NameID[^>]*>)", r"\1x", text)
    asked = delivery.OutboundMessage(message_id=id, channel="soap", to=address, language="en", subject="", text=text)
    result = site_logout.SiteProvider("soap", site_logout.within(seconds)).send(asked, valid_for=VALID_FOR)
    if not isinstance(result, delivery.Accepted):
        return None, result.code if isinstance(result, delivery.Rejected) else result.why
    try:
        answer = sign_out.validate_soap_answer(result.answer, site=site, now=clock.now()).message
    except MessageRefused as refused:
        return None, refused.why
    return (answer, answer.status_name) if answer.in_response_to == id else (None, "the answer to another request")


def _ask(method: str, address: str, left: Left, form: dict[str, str] | None = None) -> tuple[int, str]:
    """(status, where it leads or the status in words). Status 0: no answer. Redirects are not followed."""
    seconds = left()
    if seconds <= 0:
        return 0, NO_TIME
    answer = site_logout.ask_site(method, address, form, seconds=seconds)
    if isinstance(answer, delivery.NotTransmitted | delivery.OutcomeUnknown):
        return 0, f"nothing: {answer.why}"
    phrase = next((one.phrase for one in HTTPStatus if one == answer.status), "")
    words = f"{answer.status} {phrase}".rstrip()
    return answer.status, answer.headers.get("location") or words
