"""Whether a token of ours is valid: token, grant, session and person, in one statement.

Four rooms' tables meet in it (docs/adr/0019-direct-views.md); each room says itself how its part is read. Nothing is
kept between two requests: a disabled person and an ended session are refused at once.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from massar.core import sql
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions
from massar.domain.sites import api as sites

_STATEMENT = f"""SELECT {sites.grants.TOKEN_COLUMNS}, s.id, p.id, {sites.grants.COLUMNS}, {people.directory.COLUMNS}
FROM {sites.grants.TABLES}
LEFT JOIN {sessions.signed_in.TABLE} ON s.id = g.session_id AND {sessions.signed_in.NOT_ENDED}
LEFT JOIN {people.directory.TABLE} ON p.id = g.person_id {people.directory.WITH_DAY}
WHERE t.hash = %s"""
_GRANT_COLUMNS = len(sites.GrantFacts._fields)


@dataclass(frozen=True)
class TokenState:
    """A token of ours and what decides about it; times are seconds since 1970. binding: what it was issued with.
    person: None for a site's own token and where the person is gone."""

    kind: str
    binding: dict[str, str]
    expires_at: int
    used_at: int
    grant: sites.GrantFacts
    session_ended: bool
    person: people.PersonFacts | None

    @property
    def scope(self) -> str:
        """The grant's, or the token's own where that is narrower (RFC 6749 §6)."""
        return self.binding.get("scope") or self.grant.scope

    def is_valid_for(self, kind: str, *, now: datetime) -> bool:
        """Whether it is a token of that kind, in time and unused, whose grant is valid."""
        in_time = self.expires_at > int(now.timestamp())
        return self.kind == kind and self.used_at == 0 and in_time and self.grant_is_valid(now=now)

    def grant_is_valid(self, *, now: datetime) -> bool:
        """Whether the grant has not ended, nor its session (or it outlives it), and its person is active. A site's own
        has neither."""
        if self.grant.ended_at or self.grant.expires_at <= int(now.timestamp()):
            return False
        if not self.grant.person_id:
            return True
        if not self.person or not self.person.active:
            return False
        return not self.session_ended or bool(self.grant.offline and not self.person.operates)


def read(token: str, *, now: datetime) -> TokenState | None:
    """Read a token with its grant, session and person; None for what we never issued."""
    found = sql.row(_STATEMENT, (*people.directory.today(now), sites.grants.hash_token(token)))
    if found is None:
        return None
    kind, binding, expires_at, used_at, session_id, person_id, *rest = found
    grant = sites.GrantFacts._make(rest[:_GRANT_COLUMNS])
    person = people.directory.facts(tuple(rest[_GRANT_COLUMNS:])) if person_id is not None else None
    return TokenState(
        kind, json.loads(binding) if binding else {}, expires_at, used_at, grant, session_id is None, person
    )
