"""Every address of the product, and which of them open to a stranger."""

from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver, reverse

# Pages that need no session, each with its reason. Adding one is a decision; the tests keep the list exact.
OPEN = {
    "sign_in": "the door itself",
    "passkey_sign_in": "judges what a passkey has signed",
    "sign_out": "ends whatever is there, which may be nothing",
    "recovery": "for those who can't sign in",
    "recovery_asked": "the same page whatever was typed",
    "case_ask": "for those who have neither, at the help desk",
    **dict.fromkeys(
        ("case", "case_go_on", "case_contact", "case_resend", "case_close"),
        "the browser that showed the number is the proof",
    ),
    "vouch": "for those who are told to wait",
    "vouch_code": "the code is the proof, in the browser that asked",
    "contact_cancel_link": "the link in a notice carries its own proof",
    "loss_cancel_link": "the link in a notice carries its own proof",
    "not_me": "the same: it can freeze the account, and opens nothing",
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
    **dict.fromkeys(("saml_metadata_as", "saml_sso_as", "saml_slo_as"), "the same three, by another name of ours"),
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
SAMPLES = {"IntConverter": "1", "SlugConverter": "massar", "StringConverter": "nothing-of-this-name"}


def addresses(patterns: list | None = None, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and a sample path of every address."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            sample = {name: SAMPLES[type(kind).__name__] for name, kind in pattern.pattern.converters.items()}
            assert pattern.name, f"{route} needs a name"
            yield pattern.name, reverse(pattern.name, kwargs=sample)


def leads_to_sign_in(response) -> bool:
    return response.status_code in (302, 303) and response.headers["Location"].split("?")[0] == reverse("sign_in")
