"""`massar sites`: list the registered sites, judge them, print what to paste at the other side, try them."""

import argparse
import re
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from django.conf import settings
from django.db import Error

from massar.core import clock, ids
from massar.domain.sites import api as sites
from massar.domain.sites.api import Finding, Site, rules, saml_idp
from massar.interfaces.base import site_trials
from massar.journeys.sso import access, log_out_of_sites
from massar.journeys.sso.judge_sites import NOT_ENCODED, judged, own_certificate_judged

Facts = list[tuple[str, str]]  # name and value of a setting; without a value it is not shown


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
    tried = site_trials.run(site)
    for good, sentence in tried:
        print(f"  {'well ' if good else 'WRONG'}  {sentence}")
    return 0 if all(good for good, _ in tried) else 1
