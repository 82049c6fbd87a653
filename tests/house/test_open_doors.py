"""Every address of the product, tried by a stranger: what is not on the list below leads to sign-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

pytestmark = pytest.mark.both_databases

# Pages that need no session, each with its reason. Adding one is a decision; the tests keep the list exact.
OPEN = {
    "sign_in": "the door itself",
    "sign_out": "ends whatever is there, which may be nothing",
    "recovery": "for those who can't sign in",
    "recovery_asked": "the same page whatever was typed",
    "contact_cancel_link": "the link in a notice carries its own proof",
    "language": "chooses the words of the next page",
    "well_known_change_password": "leads to the form, which leads a stranger to sign-in",
    "security_txt": "public",
    "favicon": "the icon that every page names",
    "health": "says that this process serves, nothing else",
    "ready": "says whether the database answers, nothing else",
    "metrics": "asked by a program; what its token does not open does not exist",
    "gate_check": "asked by a site's proxy; 401 without a gate cookie",
    "gate_begin": "asked by a site's proxy for whoever has not entered",
    "gate_forward": "asked by a site's proxy, which proves itself by a key",
    "gate_enter": "asked by a site's proxy; the ticket is the proof",
    "gate_start": "judges the address first; a stranger with a right one is sent to sign in",
    "gate_resume": "leads home where nothing waits",
    "gate_stale": "says that a ticket was late",
    "saml_metadata": "public",
    "saml_sso": "judges the site's request first; a stranger with a right one is sent to sign in",
    "saml_slo": "the site's signature is the proof",
    **dict.fromkeys(
        ("saml_metadata_as", "saml_sso_as", "saml_slo_as"), "the same three, for sites that know us by another name"
    ),
    "oidc_discovery": "public",
    "oidc_jwks": "public keys",
    "oidc_authorize": "judges the site's request first; a stranger with a right one is sent to sign in",
    "oidc_token": "the site proves itself",
    "oidc_userinfo": "the access token is the proof",
    "oidc_introspect": "the site proves itself",
    "oidc_revoke": "the site proves itself",
    "oidc_logout": "an ID token is the proof, else the person is asked, by a form with its token",
    "receipt": "the address itself is the proof; 404 without it",
}
# Posted by sites and providers, without a form of ours: each with the answer to one that proves nothing.
POSTED_BY_SITES = {
    "oidc_authorize": 303,  # to itself, asked with GET
    "oidc_token": 400,
    "oidc_userinfo": 400,
    "oidc_introspect": 400,
    "oidc_revoke": 400,
    "oidc_logout": 303,
    "saml_sso": 400,
    "saml_slo": 400,
    "saml_sso_as": 404,  # a name that no site has
    "saml_slo_as": 404,
    "receipt": 404,
}
PUBLIC = {"oidc_discovery", "oidc_jwks"}  # may be kept, by whoever
SAMPLES = {"int": "1", "slug": "massar", "str": "nothing-of-this-name"}
TRIED = ("get", "post")


def addresses(patterns: list | None = None, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and a sample path of every address."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            sample = {name: SAMPLES[_kind(kind)] for name, kind in pattern.pattern.converters.items()}
            assert pattern.name, f"{route} needs a name"
            yield pattern.name, reverse(pattern.name, kwargs=sample)


def _kind(converter: object) -> str:
    return {"IntConverter": "int", "SlugConverter": "slug", "StringConverter": "str"}[type(converter).__name__]


def leads_to_sign_in(response) -> bool:
    return response.status_code in (302, 303) and response.headers["Location"].split("?")[0] == reverse("sign_in")


@pytest.mark.django_db
def test_a_stranger_finds_every_other_door_closed(client: Client):
    tried = 0
    for name, path in addresses():
        if name in OPEN:
            continue
        answers = {method: getattr(client, method)(path) for method in TRIED}
        right_method = {method: answer for method, answer in answers.items() if answer.status_code != 405}
        assert right_method, f"{name} answers neither GET nor POST"
        for method, answer in right_method.items():
            assert leads_to_sign_in(answer), f"{method} {path} answered {answer.status_code}"
        tried += 1
    assert tried > 5, "the addresses were not found"


@pytest.mark.django_db
def test_the_list_of_open_doors_is_exact(client: Client):
    """A name that is gone, or whose page needs a session after all, must leave the list."""
    paths = dict(addresses())
    assert set(OPEN) <= set(paths)
    for name in OPEN:
        # Signing out leads to the sign-in page too, being done.
        answers = [getattr(client, method)(paths[name]) for method in TRIED]
        assert name == "sign_out" or not all(leads_to_sign_in(answer) for answer in answers), name


@pytest.mark.django_db
def test_every_answer_is_strict_and_unstored(client: Client):
    """Headers of the policy on pages, redirects, refusals and errors alike."""
    for name, path in [*addresses(), ("", "/no-such-page")]:
        answer = client.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy, path
        kept = "public, max-age=3600" if name in PUBLIC else "no-store"
        assert answer.headers["Cache-Control"] == kept, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Referrer-Policy"] in ("same-origin", "no-referrer"), path


@pytest.mark.django_db
def test_nothing_is_posted_without_the_form_of_this_browser():
    """A form from elsewhere is refused at every address that takes one, the sign-in page included."""
    strict = Client(enforce_csrf_checks=True)
    for name, path in addresses():
        answer = strict.post(path, {"user": "x", "password": "y"})
        refused = (403, 405, POSTED_BY_SITES[name]) if name in POSTED_BY_SITES else (403, 405)
        assert answer.status_code in refused, f"{name} took a form from elsewhere: {answer.status_code}"
