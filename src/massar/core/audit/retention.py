"""Retention: old segments are deleted whole, after a signed line has said how many rows they had and how they ended.

In PostgreSQL a segment is a partition, made ahead and dropped whole. Elsewhere, and where rows came before their
partition was made, they are deleted in batches, which the database allows for a retired segment alone (migration 0003).
Each step can be done again: whatever dies in between is taken up where it was left."""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from massar.core import sql
from massar.core.audit import checkpoints, events, sealing, verifier

AHEAD = 2  # months
_BATCH = 20  # seals, of up to a thousand rows each
_QUICKLY = "SET LOCAL lock_timeout = '2s'"  # who signs in does not wait for a table's definition


def end_of(segment: str) -> datetime:
    """The first moment that is not the segment's any more."""
    year, month = map(int, segment[-7:].split("-"))
    return datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)


def kept_for(segment: str) -> timedelta:
    massar = settings.MASSAR
    days: timedelta = massar.audit_refused if segment.startswith(events.REFUSED) else massar.audit_kept
    return days


def make_partitions(*, now: datetime) -> list[str]:
    """PostgreSQL: make the partitions of this month and the next ones. Returns those that were made. Nobody waits: a
    partition is made apart and attached (https://www.postgresql.org/docs/15/ddl-partitioning.html)."""
    if connection.vendor != "postgresql":
        return []
    begin, made = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0), []
    for _ in range(1 + AHEAD):
        for kind in events.KINDS:
            segment = f"{kind}-{begin:%Y-%m}"
            if not _partition(segment) and _make(segment):
                made.append(segment)
        begin = end_of(segment)
    return made


def _table(segment: str) -> str:
    return f"audit_event_{segment.replace('-', '_')}"


def _partition(segment: str) -> bool:
    return sql.row("SELECT 1 FROM pg_class WHERE relname = %s AND relispartition", (_table(segment),)) is not None


def _make(segment: str) -> bool:
    """False: rows of it have come already, and stay where rows without a partition go."""
    if sql.row("SELECT 1 FROM audit_event_other WHERE segment = %s LIMIT 1", (segment,)):
        return False
    table = _table(segment)
    with transaction.atomic():
        sql.execute(_QUICKLY)
        sql.execute("SELECT pg_advisory_xact_lock(hashtext('massar audit partitions'))")
        if _partition(segment):
            return False
        sql.execute(f"CREATE TABLE {table} (LIKE audit_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        # Proves by itself that nothing else can be in it, so that attaching reads nothing.
        sql.execute(f"ALTER TABLE {table} ADD CONSTRAINT of_segment CHECK (segment = '{segment}')")
        sql.execute(
            f"CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION audit_no_truncate()"
        )
        sql.execute(f"ALTER TABLE audit_event ATTACH PARTITION {table} FOR VALUES IN ('{segment}')")
    return True


def retire_old(*, now: datetime) -> list[str]:
    """Delete the segments whose time is over, and go on with those that were begun. Returns their names. Raises
    OSError: the signed line can't be written, and nothing is deleted."""
    sealed = [segment for (segment,) in sql.rows("SELECT DISTINCT segment FROM audit_seal ORDER BY segment")]
    done = []
    for segment in sealed:
        if now >= end_of(segment) + kept_for(segment) and _retire(segment, now):
            _delete(segment)
            done.append(segment)
    return done


def _retire(segment: str, now: datetime) -> bool:
    """Say so, signed, first outside the database. False: not all of it is sealed or signed yet."""
    if sql.row("SELECT 1 FROM audit_retired WHERE segment = %s", (segment,)):
        return True
    head, here = sealing.head_of(segment), sealing.cursor()
    if head is None or here.signed_seq < head.seq or _holds_more(segment, head.count):
        return False
    line = checkpoints.append({}, {segment: head}, now=now)
    with transaction.atomic():
        made = sql.execute(
            "INSERT INTO audit_retired (segment, count, line, at) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (segment, head.count, line, sql.at(now)),
        )
        if made:
            events.record_event(
                "audit_retired", now=now, outcome=segment, rows=head.count, seq=head.seq, head=head.hash.hex()
            )
    return True


def _holds_more(segment: str, sealed: int) -> bool:
    """PostgreSQL: a partition that goes as a whole must hold nothing that no seal names."""
    if connection.vendor != "postgresql" or not _partition(segment):
        return False
    [(rows,)] = sql.rows(f"SELECT COUNT(*) FROM {_table(segment)}")
    return bool(rows != sealed)


def _delete(segment: str) -> None:
    if connection.vendor == "postgresql" and _partition(segment):
        with transaction.atomic():
            sql.execute(_QUICKLY)
            sql.execute(f"DROP TABLE {_table(segment)}")  # alone: it shuts the whole log until its commit
    statement = f"SELECT first_seq, count, ids FROM audit_seal WHERE segment = %s ORDER BY first_seq LIMIT {_BATCH}"
    while seals := sql.rows(statement, (segment,)):
        with transaction.atomic():
            for first_seq, count, packed in seals:
                rows = verifier.unpack_ids(bytes(packed), count)
                named = f"segment = %s AND id IN ({sql.placeholders(count)})"
                sql.execute(f"DELETE FROM audit_event WHERE {named}", (segment, *rows))
                sql.execute("DELETE FROM audit_seal WHERE first_seq = %s", (first_seq,))
