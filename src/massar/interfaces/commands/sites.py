"""`massar sites`: list the registered sites, judge them, print what to paste at the other side, try them."""

import argparse
import http.client
import re
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from django.conf import settings
from django.db import Error

from massar.core import clock, ids, local_time
from massar.core.loopback import is_loopback
from massar.core.saml.messages import LogoutResponse, MessageRefused
from massar.domain.delivery import api as delivery
from massar.domain.sites import api as sites
from massar.domain.sites.api import Finding, Site, rules, saml_idp
from massar.interfaces.commands import providers
from massar.journeys.sso import access, log_out_of_sites
from massar.journeys.sso.saml import sign_out
from massar.providers import site_logout

Facts = list[tuple[str, str]]  # name and value of a setting; without a value it is not shown
Tried = Iterator[tuple[bool, str]]  # whether it went well, and a sentence
VALID_FOR = timedelta(hours=1)  # a LogoutRequest about nobody
PATIENCE = 10  # seconds for one answer of a site
NOT_ENCODED = (
    "in HTTP Basic such a sign is to be form-encoded (RFC 6749 §2.3.1), "
    "and Authlib, requests-oauthlib and Dovecot do not do that"
)
ROLLED_BEFORE = timedelta(days=60)  # people at many sites put the account's next certificate in by hand


def run(options: argparse.Namespace) -> int:
    if options.action == "import-metadata":
        return import_metadata(options.file, options.slug)
    if options.action == "secret":
        return _secret(own=options.own)
    if options.action in ("list", "check"):
        return _list() if options.action == "list" else _check()
    site = settings.MASSAR.sites.by_slug.get(options.slug)
    if site is None:
        print(f"There is no site {options.slug}; `massar sites list` names them.", file=sys.stderr)
        return 1
    if options.action == "subjects":
        return _subjects(site, Path(options.file))
    return _show(site) if options.action == "show" else _test(site)


def _list() -> int:
    for site in settings.MASSAR.sites.sites:
        state = "connected" if site.connected else "not connected"
        who = ", ".join(site.roles) or "everybody"
        line = f"{site.slug:<12} {site.protocol:<5} {state:<14} {who:<18} {site.called('en')}  {site.host}"
        indexes = f"  acs_indexes {', '.join(map(str, site.acs_indexes))}" if site.acs_indexes else ""
        print(f"{line.rstrip()}{indexes}{'' if site.hears_sign_out else '  hears no sign-out'}")
    return 0


def _check() -> int:
    """Return 1 if there is a mistake; notes alone are 0."""
    now, known = clock.now(), settings.MASSAR.sites.sites
    found = [(f"{site.slug}: ", finding) for site in known for finding in judged(site, now)]
    try:
        found += [("", Finding(sentence)) for sentence in own_certificate_judged(now)]
    except Error:  # the file of sites can be judged where there is no database, too
        told = "The database did not answer: the end of the account's own SAML certificate was not judged"
        found.append(("", Finding(f"{told} (`massar check`).", note=True)))
    for slug, finding in found:
        print(f"  {'note' if finding.note else '-'} {slug}{finding.sentence}")
    if waiting := [site.slug for site in known if not site.connected and site.for_people]:
        print(f"Not connected yet, their cards explain: {', '.join(waiting)}.")
    mistakes = sum(not finding.note for _, finding in found)
    print(f"{mistakes} thing(s) to put right." if mistakes else "The registry of sites is well.")
    return 1 if mistakes else 0


def judged(site: Site, now: datetime) -> Iterator[Finding]:
    """What the file can't tell by itself: time, place, what our verifier takes, who would not hear of a sign-out.

    A mistake is what does not work, or soon will not, or is not safe; a note is worth knowing while all works.
    """
    yield from sites.saml_certificate.findings(site.certificate, now=now) if site.certificate else ()
    if settings.MASSAR.mode == "production":
        # Where browsers and the account go; a native program listens on the person's own machine, which is right.
        one = (site.backchannel_logout_uri, site.slo, site.slo_response, site.slo_soap, site.home, site.gate_origin)
        pages = [address for address in site.redirect_uris if address not in site.loopback_uris]
        for address in (*pages, *site.acs, *filter(None, one)):
            if is_loopback(urlsplit(address).hostname or ""):
                yield Finding(f"{address} is this machine: people's browsers don't get there.")
    if odd := rules.form_encoded(site.client_id):
        sentence = f"client_id holds {odd!r}: {NOT_ENCODED}; letters, digits, - . and _ are safe."
        yield Finding(sentence, note=":" not in odd)
    told = site.backchannel_logout_uri or site.slo_soap or log_out_of_sites.supports_browser_logout(site)
    if site.slo and not site.certificate:
        yield Finding("has slo but no certificate: nothing that it says about a sign-out can be believed.")
    elif site.connected and site.hears_sign_out and not told and site.protocol != "gate":  # it asks each time
        ways = "backchannel_logout_uri" if site.protocol == "oidc" else "slo_soap, backchannel_logout_uri or slo"
        wish = "give one, or say hears_sign_out = false if it need not"
        yield Finding(f"has no {ways}: it won't hear that somebody signed out; {wish}.")


def own_certificate_judged(now: datetime) -> list[str]:
    """The end of the account's own certificate, for `massar check` too. Raises django.db.Error without a database."""
    ends, next_from = sites.keys.saml_certificate_expiry(now=now) or (None, None)
    if ends is None or ends > now + ROLLED_BEFORE or (next_from and next_from <= ends):  # the new one is in time
        return []
    told = f"The account's SAML certificate {'ended' if ends <= now else 'ends'} on {local_time.day(ends)}"
    if next_from:
        wish = "`massar keys rotate --use saml --at-once` signs with a new one now, give it to every SAML site"
        return [f"{told} and the next one signs from {local_time.day(next_from)} only: {wish}."]
    return [f"{told}: make the next one with `massar keys rotate --use saml` and give it to every SAML site."]


def _show(site: Site) -> int:
    print(f"{site.called('en')} ({site.slug}), {site.protocol}: settings for the site's own configuration\n")
    none = [("Protocol", "none: the site does not open with the account")]
    shown = {"oidc": _oidc, "saml": _saml, "gate": _gate}.get(site.protocol, lambda _: none)(site)
    wants = [", ".join(site.roles) or "everybody"]
    if site.longest_age:
        wants.append(f"signed in within the last {site.max_age_minutes} minutes")
    hours = max(site.no_recovery_hours, site.no_recent_recovery and access.RECENT_RECOVERY // timedelta(hours=1))
    if hours:
        wants.append(f"no recovery in the last {hours} hours")
    for name, value in [*shown, ("Who may enter", "; ".join(wants))]:
        if value:
            print(f"  {name:<32} {value}")
    if not site.connected:
        wanted = {"oidc": "redirect_uris", "saml": "entity_id and acs", "gate": "gate_origin"}.get(site.protocol)
        print(f"\nNot connected yet: give {wanted or 'a protocol'} under [sites.{site.slug}] in MASSAR_CONFIG.")
    return 0


def _oidc(site: Site) -> Facts:
    account = access.issuer()
    return [
        ("Issuer", account),
        ("Discovery", f"{account}/.well-known/openid-configuration"),
        ("Client id", site.client_id or "not given"),
        ("Client authentication", site.client_auth),
        ("Redirect URIs (exact)", "  ".join(site.redirect_uris) or "none"),
        ("At any port", "  ".join(site.loopback_uris)),
        ("After sign-out (exact)", "  ".join(site.post_logout_redirect_uris) or "none"),
        ("Back-channel logout URI", site.backchannel_logout_uri or f"none{_on_purpose(site)}"),
        ("Scopes", " ".join(site.scopes)),
        ("In the ID token too", " ".join(site.id_token_claims)),
        ("PKCE", "S256, required" if site.pkce else "S256, if you can"),
        ("ID token signed with", site.algorithm),
        ("Key of a person", "sub (opaque, of this site alone); never the e-mail address"),
    ]


def _saml(site: Site) -> Facts:
    idp = saml_idp.idp_of(site)
    keys = sites.keys.published((sites.keys.SAML,), now=clock.now())
    certificates = [x509.load_pem_x509_certificate(signer.public.encode()) for signer in keys]
    hears = f"not at all{_on_purpose(site)}"
    if site.slo_soap:
        hears = f"by SOAP at {site.slo_soap}"
    elif site.backchannel_logout_uri:
        hears = f"by a logout token at {site.backchannel_logout_uri}"
    elif log_out_of_sites.supports_browser_logout(site):
        hears = f"through the browser at {site.slo}{' (by POST)' if site.slo_binding == 'post' else ''}"
    indexes = [f"{index} {address}" for index, address in site.acs_by_index.items() if site.acs_indexes]
    released = (name if name == claim else f"{name} ({claim})" for name, claim in site.released.items())
    return [
        ("Metadata of the account", idp.entity_id),
        ("Entity id of the account", idp.entity_id),
        ("Single sign-on (Redirect, POST)", idp.at("sso")),
        ("Single logout (Redirect, POST)", idp.at("slo")),
        *(("Certificate, SHA-256", one.fingerprint(hashes.SHA256()).hex(":")) for one in certificates),
        ("Entity id of the site", site.entity_id or "not given"),
        ("Answers go to (exact)", "  ".join(site.acs) or "none"),
        ("Their numbers (index)", "  ".join(indexes)),
        ("NameID", site.name_id),
        ("Attributes", ", ".join(released) or "none"),
        ("Hears of a sign-out", hears),
        ("Requests must be signed", "yes" if site.signed_requests else "no"),
    ]


def _on_purpose(site: Site) -> str:
    return "" if site.hears_sign_out else ", on purpose"


def _gate(site: Site) -> Facts:
    account, by_key = access.issuer(), f"/gate/forward/, name {site.slug} and the key"
    return [
        ("Origin of the site", site.gate_origin or "not given"),
        ("Asked about every request", f"{account}/gate/check/"),
        ("Way in for a stranger", f"{account}/gate/begin/"),
        ("Way back: /.massar/enter", f"{account}/gate/enter/"),
        ("Instead, for Traefik and Caddy", f"{account}{by_key}" if site.gate_key else ""),
        ("Signed facts in", "X-Massar-Token (ES256, 60 seconds, aud is the origin)"),
        ("Keys to verify it", f"{account}/.well-known/openid-configuration names jwks_uri"),
    ]


def _secret(*, own: bool) -> int:
    """A new one, or `own`: the hash of one that the site has already, in one line on the input."""
    secret = sys.stdin.readline().rstrip("\r\n") if own else ids.token()
    if not secret:
        print("Give the secret in one line on the input.", file=sys.stderr)
        return 1
    if not own:
        print(f"For the site, shown this once:   {secret}")
    elif odd := rules.form_encoded(secret):
        told = f"the secret holds {odd!r}: {NOT_ENCODED}. The account takes both ways; another may not"
        print(f"note: {told}. `massar sites secret` makes one of letters, digits, - and _.", file=sys.stderr)
    print(f"For the file, as client_secret (of a gate: gate_key):  {sites.hashed_secret(secret)}")
    return 0


def _subjects(site: Site, file: Path) -> int:
    """CSV on the output: login and subject, known before the first visit too. The file holds one login a line."""
    try:
        logins = file.read_text("utf-8").split()
    except (OSError, UnicodeDecodeError) as trouble:
        print(f"{file} can't be read: {trouble}.", file=sys.stderr)
        return 1
    unknown = 0
    for login in logins:
        if subject := access.subject_of(site, login, now=clock.now()):
            print(f"{login},{subject}")
        else:
            print(f"{login}: there is no such account.", file=sys.stderr)
            unknown = 1
    return unknown


def import_metadata(file: str, slug: str = "") -> int:
    """Print a SAML site's metadata as the table to paste, and on the error stream what is not in it."""
    try:
        table, left_out = sites.saml_metadata.read(Path(file).read_bytes(), now=clock.now())
    except (OSError, sites.saml_metadata.MetadataRefused) as trouble:
        print(f"{file} can't be used: {trouble}.", file=sys.stderr)
        return 1
    # Without a slug one of its host: `retraite` of https://retraite.example.ma/saml.
    first = (urlsplit(table["entity_id"]).hostname or "").removeprefix("www.").partition(".")[0]
    name = re.sub(r"[^a-z0-9_-]", "", first.lower())
    usable = name if re.fullmatch(r"[a-z][a-z0-9_-]+", name) else "new-site"
    print(sites.saml_metadata.as_toml(slug or usable, table), end="")
    for sentence in dict.fromkeys(left_out):
        print(f"note: {sentence}", file=sys.stderr)
    return 0


def _test(site: Site) -> int:
    if not site.connected:
        print(f"{site.slug} is not connected: there is nothing to ask.", file=sys.stderr)
        return 1
    tried = list(_try_gate(site) if site.protocol == "gate" else _try_pages(site))
    if site.backchannel_logout_uri:
        tried += _try_logout_token(site, site.backchannel_logout_uri)
    if site.slo_soap:
        tried += _try_soap(site, site.slo_soap)
    for good, sentence in tried:
        print(f"  {'well ' if good else 'WRONG'}  {sentence}")
    return 0 if all(good for good, _ in tried) else 1


def _try_pages(site: Site) -> Tried:
    """Whether the addresses that browsers are sent to answer at all; a site may well refuse an empty request."""
    for address in (*site.redirect_uris, *site.acs):
        if address not in site.loopback_uris:
            status, word = _ask("GET", address)
            yield 0 < status < 500, f"{address} answers {word}"


def _try_gate(site: Site) -> Tried:
    """A stranger must be sent to the account; a page would mean that the gate stands open."""
    status, word = _ask("GET", f"{site.gate_origin}/")
    closed = status in (302, 303, 307) and word.startswith(f"{access.issuer()}/gate/start/")
    yield closed, f"{site.gate_origin}/ shows a stranger {'the way to the account' if closed else word}"
    status, word = _ask("GET", f"{site.gate_origin}/a/../b//c")
    yield 400 <= status < 500, f"{site.gate_origin}/a/../b//c, an odd address, is answered with {word}"


def _try_logout_token(site: Site, uri: str) -> Tried:
    """A signed logout token about nobody: a site that verifies it says 200 or 204, and ends nothing."""
    token = log_out_of_sites.logout_token_for(site, ids.short_token(), ids.short_token(), now=clock.now())
    status, word = _ask("POST", uri, {"logout_token": token})
    yield status in (200, 204), f"{uri} answers our logout token with {word}"
    status, word = _ask("POST", uri, {"logout_token": f"{token[:-8]}AAAAAAAA"})
    yield status == 400, f"{uri} answers a forged one with {word}"


def _try_soap(site: Site, address: str) -> Tried:
    """A signed LogoutRequest about nobody must be answered believably, a forged one without success."""
    answer, word = _ask_by_soap(site, address)
    yield answer is not None, f"{address} answers our LogoutRequest with {word}"
    answer, word = _ask_by_soap(site, address, forge=True)
    yield answer is None or not answer.is_success, f"{address} answers a forged one with {word}"


def _ask_by_soap(site: Site, address: str, *, forge: bool = False) -> tuple[LogoutResponse | None, str]:
    """The answer if it can be believed, and what it says or why not."""
    id = f"_{ids.short_token()}"
    text = sign_out.soap_request_about_nobody(site, id, now=clock.now())
    if forge:  # another name than the one that was signed
        text = re.sub(r"(<saml:NameID[^>]*>)", r"\1x", text)
    asked = delivery.OutboundMessage(message_id=id, channel="soap", to=address, language="en", subject="", text=text)
    result = providers.sites()["soap"].send(asked, valid_for=VALID_FOR)
    if not isinstance(result, delivery.Accepted):
        return None, result.code if isinstance(result, delivery.Rejected) else result.why
    try:
        answer = sign_out.validate_soap_answer(result.answer, site=site, now=clock.now()).message
    except MessageRefused as refused:
        return None, refused.why
    return (answer, answer.status_name) if answer.in_response_to == id else (None, "the answer to another request")


def _ask(method: str, address: str, form: dict[str, str] | None = None) -> tuple[int, str]:
    """(status, where it leads or the status in words). Status 0: no answer. Redirects are not followed."""
    answer = site_logout.ask_site(method, address, form, seconds=PATIENCE)
    if isinstance(answer, delivery.NotTransmitted | delivery.OutcomeUnknown):
        return 0, f"nothing: {answer.why}"
    words = f"{answer.status} {http.client.responses.get(answer.status, '')}".rstrip()
    return answer.status, answer.headers.get("location") or words
