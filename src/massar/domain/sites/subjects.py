"""Opaque pairwise subjects: two sites can't tell that they know the same person (OIDC Core §8.1)."""

from massar.core import ids, sql


def of(site: str, person_id: int) -> str:
    """The person's subject at that site, made at the first visit."""
    found = _find(site, person_id)
    if found is None:
        sql.execute(
            "INSERT INTO sites_subject (site, person_id, value) VALUES (%s, %s, %s) "
            "ON CONFLICT (site, person_id) DO NOTHING",
            (site, person_id, f"s{ids.short_token()}"),
        )
        found = _find(site, person_id)  # perhaps of another visit at the same moment
        assert found is not None
    return found


def _find(site: str, person_id: int) -> str | None:
    found = sql.row("SELECT value FROM sites_subject WHERE site = %s AND person_id = %s", (site, person_id))
    return found[0] if found else None


def person_of(site: str, value: str) -> int | None:
    """Whose subject it is at that site."""
    found = sql.row("SELECT person_id FROM sites_subject WHERE site = %s AND value = %s", (site, value))
    return found[0] if found else None
