"""Every address of the product, tried by a stranger: what is not on the list below leads to sign-in."""

import pytest
from django.test import Client

from massar.interfaces.desk import urls as desk
from tests.support.desk_routes import ROUTES
from tests.support.doors import OPEN, addresses, leads_to_sign_in

# Posted by sites and providers, without a form of ours: each with the answer to one that proves nothing.
POSTED_BY_SITES = {
    **dict.fromkeys(("oidc_authorize", "oidc_logout"), 303),  # the first to itself, asked with GET
    **dict.fromkeys(("oidc_token", "oidc_userinfo", "oidc_introspect", "oidc_revoke", "saml_sso", "saml_slo"), 400),
    **dict.fromkeys(("saml_sso_as", "saml_slo_as", "receipt"), 404),  # a name that no site has
}
PUBLIC = {"oidc_discovery", "oidc_jwks"}  # may be kept, by whoever
TRIED = ("get", "post")


@pytest.mark.both_databases
@pytest.mark.django_db
def test_a_stranger_finds_every_other_door_closed(client: Client):
    """And the list of open ones is exact: a name that is gone, or whose page needs a session, must leave it."""
    paths = dict(addresses())
    assert set(OPEN) <= set(paths) and len(paths) > len(OPEN) + 5, "the addresses were not found"
    for name, path in paths.items():
        answers = [getattr(client, method)(path) for method in TRIED]
        closed = [leads_to_sign_in(answer) for answer in answers if answer.status_code != 405]
        assert closed, f"{name} answers neither GET nor POST"
        # Signing out leads to the sign-in page too, being done.
        assert all(closed) == (name not in OPEN) or name == "sign_out", f"{path}: {answers}"


def test_every_address_of_the_desk_has_a_row_with_who_may_open_it():
    """Add it to tests/support/desk_routes.py; the matrix then asks it by every role."""
    assert {one.name for one in desk.urlpatterns} == set(ROUTES)


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


@pytest.mark.django_db
def test_a_method_that_an_address_does_not_take_is_named_as_one():
    """405 with those that it takes (RFC 9110 §15.5.6), before anybody asks for the token of a form."""
    strict = Client(enforce_csrf_checks=True)
    for name, path in addresses():
        told = strict.generic("PUT", path)
        takes = set(told.get("Allow", "").split(", "))
        if told.status_code == 403 and name.startswith("gate_"):
            continue  # a proxy asks, and is told nothing else
        assert takes <= {"GET", "HEAD", "POST"}, name
        refused = {method: strict.generic(method, path) for method in {"PUT", "DELETE", "QUERY", "POST"} - takes}
        assert {method: answer.status_code for method, answer in refused.items()} == dict.fromkeys(refused, 405), name
