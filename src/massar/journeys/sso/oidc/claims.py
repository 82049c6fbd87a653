"""What scopes and claims a site can have, and how a grant remembers which were asked.

A grant's scope is one text: scopes, and single claims by the `claims` parameter (OIDC Core §5.5) as `u:name` for
UserInfo and `i:name` for the ID token.
"""

import json

from massar.domain.credentials import api as credentials
from massar.domain.people import api as people
from massar.domain.sites import api as sites
from massar.journeys.sso.access import claims_of

OF_SCOPE = sites.rules.CLAIMS_OF_SCOPE
SUPPORTED = tuple(name for names in OF_SCOPE.values() for name in names)
LONGEST_SCOPE = sites.rules.LONGEST_SCOPES

ClaimsParameter = dict[str, dict[str, object] | None]  # by member: userinfo, id_token


def granted_scope(site: sites.Site, scopes: list[str], claims: ClaimsParameter) -> str:
    """What a grant holds: these scopes, and what the `claims` parameter asks beyond them of what its scopes allow, as
    far as there is room: a single claim that is not said is no error (OIDC Core §5.5)."""
    covered = {name for scope in scopes for name in OF_SCOPE.get(scope, ())}
    allowed = {name for scope in site.scopes for name in OF_SCOPE.get(scope, ())}
    granted = " ".join(scopes)
    for member, mark, names in (("userinfo", "u", allowed - covered), ("id_token", "i", allowed)):
        for name in SUPPORTED:
            longer = f"{granted} {mark}:{name}"
            if name in names and name in (claims.get(member) or {}) and len(longer) <= LONGEST_SCOPE:
                granted = longer
    return granted


def read_parameter(text: str) -> ClaimsParameter | None:
    """The `claims` parameter as an object of objects; None if it is none (OIDC Core §5.5)."""
    try:
        claims = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return None
    if not isinstance(claims, dict) or not isinstance(claims.get("userinfo"), dict | None):
        return None
    return claims if isinstance(claims.get("id_token"), dict | None) else None


def scopes_in(granted: str) -> str:
    """The scopes of a grant as the token answer says them."""
    return " ".join(mark for mark in granted.split() if ":" not in mark)


def for_userinfo(granted: str) -> set[str]:
    """Names of the claims that UserInfo says for this grant."""
    marks = granted.split()
    names = {name for mark in marks for name in OF_SCOPE.get(mark, ())}
    return names | {mark[2:] for mark in marks if mark.startswith("u:")}


def for_id_token(granted: str, *, always: tuple[str, ...], scope: str) -> set[str]:
    """Names of the claims that were asked for the ID token itself, and of those that the registry always puts into this
    site's, as far as `scope` allows them."""
    asked = {mark[2:] for mark in granted.split() if mark.startswith("i:")}
    return asked | {name for mark in scope.split() for name in OF_SCOPE.get(mark, ()) if name in always}


def values(person: people.PersonFacts, names: set[str]) -> dict[str, object]:
    """The claims of that person; what is unknown is left out (OIDC Core §5.3.2)."""
    said: dict[str, object] = dict(claims_of(person, names=names))
    if "email_verified" in names:
        said["email_verified"] = True  # the ministry gives and runs these addresses
    if "recovered_at" in names and (recovered_at := credentials.passwords.recovered_at(person.id)):
        said["recovered_at"] = int(recovered_at.timestamp())
    return said
