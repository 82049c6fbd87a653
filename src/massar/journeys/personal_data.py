"""What is kept of people, why, and for how long: one table, which the page “my data”, the export, the jobs of
retention and the operators' page of settings read (law 09-08, articles 3, 5 and 7).

A test compares it with the models: each column of each table stands here once."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from django.conf import settings

from massar.core import sql
from massar.domain.campaigns import api as campaigns
from massar.domain.credentials import api as credentials
from massar.domain.delivery import api as delivery
from massar.domain.desk import api as desk
from massar.domain.factors import api as factors
from massar.domain.people import api as people
from massar.domain.sessions import api as sessions

Erase = Callable[..., object]
MOST_REFUSALS = 2000  # in the copy of a person's data
_BUT_OLD_REFUSALS = (
    " AND (segment LIKE 'kept-%%' OR id IN (SELECT id FROM audit_event WHERE person_id = %s "
    f"AND segment LIKE 'refused-%%' ORDER BY id DESC LIMIT {MOST_REFUSALS}))"
)


class Kept(NamedTuple):
    """One kind of what is kept. In the catalogues `data.<name>` says what it is and `data.<name>.why` what for.

    given: columns that the person gets to read; hidden: about the person too, but secrets, HMACs or ids without a
    meaning outside. owner: the column that names the person, '' where nothing leads from a person to a row. days: how
    long after its end a row stays; None: as long as the account, or as `lasts` says. erase: takes `now` and `keep`."""

    name: str
    table: str
    given: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    owner: str = "person_id"
    days: int | None = None
    least: int = 1
    erase: Erase | None = None
    lasts: str = "account"  # data.lasts.<…> where there are no days

    def kept_days(self) -> int:
        """How many days a row stays after its end, by the operator's setting; 0 where no days are counted."""
        return max(self.least, settings.MASSAR.keep_days.get(self.name, self.days)) if self.days else 0


_WITH_NAMES = "first_name_ar last_name_ar first_name_latin last_name_latin"
TABLE: tuple[Kept, ...] = (
    Kept("identity", "people_person",
         ("login", *_WITH_NAMES.split(), "language", "role", "state", "frozen_at", "reopened_at", "created_at"),
         ("id", "local", "contacts_frozen_until"), owner="id"),
    Kept("other_names", "people_alias", ("name", "domain"), ("id", "person_id")),
    Kept("belongings", "people_belonging", ("since", "until"), ("person_id", "unit_id", "kind")),
    Kept("guardians", "people_guardianship", ("relation", "since", "until"), ("pupil_id", "guardian_id", "made_by"),
         owner="pupil_id"),
    Kept("roles", "people_rolegrant", ("role", "since", "until", "reason", "granted_at", "revoked_at"),
         ("id", "person_id", "unit_id", "kind", "granted_by")),
    Kept("contacts", "people_contact",
         ("kind", "state", "proposed_at", "proved_at", "counts_from", "ends_at", "bounced_at", "undone_at"),
         ("id", "person_id", "value_ciphertext", "value_hmac", "uid", "entered_in", "proved_in", "code_hmac",
          "code_sent_at", "code_expires_at", "code_tries"), days=90, least=7, erase=people.contacts.sweep),
    Kept("password", "credentials_password", ("changed_at",),
         ("person_id", "ciphertext", "devices_since", "recovered_at", "due_for")),
    Kept("former_passwords", "credentials_formerpassword", ("replaced_at",), ("id", "person_id", "ciphertext"),
         lasts="five"),
    Kept("temporary_passwords", "credentials_temporarypassword",
         ("channel", "state", "issued_at", "expires_at", "ended_at", "ended_why"),
         ("id", "person_id", "contact_id", "secret_hmac", "ciphertext", "known", "purpose", "recovery_browser_hmac",
          "tries", "asker_tries", "claim", "batch_id", "place"), days=30, least=2, erase=credentials.temporary.forget),
    Kept("slip_batches", "credentials_slipbatch", (), ("id", "unit_id", "printed_by", "begun_at", "printed_at"),
         owner="", days=400, least=30, erase=credentials.handed.forget_batches),
    Kept("second_factors", "factors_factor", ("kind", "name", "state", "enrolled_at", "moved_at", "used_at"),
         ("id", "person_id", "uid", "enrolled_in", "secret_ciphertext", "last_step")),
    Kept("passkeys", "factors_passkey", (), ("factor_id", "credential_hmac", "sign_count", "backed_up",
                                               "challenged_at"), owner=""),
    Kept("backup_codes", "factors_backupcode", ("made_at", "used_at"), ("id", "person_id", "code_hmac")),
    Kept("lost_factors", "factors_loss", ("state", "asked_at", "ends_at", "closed_at"),
         ("id", "person_id", "contact_id", "code_hmac", "code_expires_at", "code_tries"), days=90,
         erase=factors.losses.sweep),
    Kept("sessions", "sessions_session",
         ("how", "signed_in_at", "second_at", "last_seen_at", "expires_at", "network", "browser", "ended_at",
          "ended_why"),
         ("id", "cookie_hmac", "person_id", "amr"), days=90, erase=sessions.signed_in.sweep),
    Kept("half_done_changes", "sessions_changesession", ("opened_at", "expires_at", "ended_at"),
         ("id", "cookie_hmac", "person_id", "temporary_id", "claim", "current_right_at", "amr"), days=1,
         erase=sessions.changing.sweep),
    Kept("half_done_sign_ins", "sessions_pendingsignin", ("opened_at", "expires_at", "ended_at"),
         ("id", "cookie_hmac", "person_id", "temporary_id", "claim", "tries"), days=1, erase=sessions.pending.sweep),
    Kept("rate_limits", "limits_bucketstate", (), ("key", "tat", "cost", "room"), owner="", lasts="full"),
    Kept("sieges", "limits_siege", (), ("key", "person_id", "on_until", "off_until", "held_until"),
         owner="", lasts="hour"),
    Kept("recovery_requests", "delivery_recoveryrequest", (),
         ("id", "ask_id", "ciphertext", "state", "lease_by", "lease_until", "created_at", "done_at", "tries", "reason"),
         owner="", days=1, erase=delivery.requests.sweep),
    Kept("desk_cases", "desk_case",
         ("number", "kind", "state", "reason", "opened_at", "proposed_at", "approved_at", "ended_at"),
         ("id", "ciphertext", "browser_hmac", "network_hmac", "devices", "browser", "person_id", "unit", "branch_id",
          "checked", "contact_id", "agent_id", "agent_role", "agent_session_id", "agent_browser_hmac", "agent_browser",
          "agent_network_hmac", "agent_devices", "second_id", "second_role", "expires_at", "review", "review_by",
          "review_at"), days=400, least=31,
         erase=desk.cases.sweep),
    Kept("messages", "delivery_message",
         ("purpose", "channel", "masked", "language", "state", "created_at", "submitted_at", "delivered_at", "used_at"),
         ("id", "uid", "person_id", "temporary_id", "about", "ciphertext", "priority", "turn", "not_before", "deadline",
          "lifetime", "expires_at", "to_hmac", "block_hmac", "block_ciphertext", "provider", "segments", "cost",
          "attempts", "lease_by", "lease_until", "final_at", "reason"), days=30, erase=delivery.outbox.sweep),
    Kept("campaign_lists", "campaigns_target", (), ("campaign_id", "person_id"), owner="", days=90,
         erase=campaigns.store.sweep),
    Kept("attempts", "delivery_attempt", (), ("id", "message_id", "number", "provider", "started_at", "ended_at",
         "outcome", "code", "reference"), owner="", lasts="message"),
    Kept("receipts", "delivery_part", (), ("id", "provider", "reference", "message_id", "number", "sent_at", "state",
         "code", "told_at"), owner="", lasts="message"),
    Kept("unmatched_receipts", "delivery_unmatchedreceipt", (),
         ("id", "provider", "reference", "uid", "state", "code", "to_hmac", "at"), owner="", days=3, least=3,
         erase=delivery.receipts.sweep),
    Kept("sites", "sites_grant", ("site", "scope", "login", "created_at", "expires_at", "ended_at", "offline"),
         ("id", "person_id", "session_id", "subject", "auth_time", "nonce", "sid"), lasts="end"),
    Kept("tokens", "sites_token", (), ("hash", "kind", "grant_id", "binding", "expires_at", "used_at", "repeat",
         "repeat_until"), owner="", lasts="end"),
    Kept("site_names", "sites_subject", ("site", "value"), ("id", "person_id")),
    Kept("waiting_requests", "sites_savedrequest", (), ("id", "ref", "ciphertext", "created_at", "expires_at"),
         owner="", lasts="hour"),
    Kept("activity", "audit_event", ("at", "event", "outcome", "network", "browser"),
         ("id", "segment", "uid", "person_id", "session_id", "detail", "signature"), lasts="audit"),
    Kept("counted_refusals", "audit_tally", ("at", "event", "outcome", "network", "browser", "count"),
         ("id", "person_id", "minute", "detail"), lasts="hour"),
)  # fmt: skip
# Tables that say nothing of a person: their columns stand here so that a new one is thought of.
NOT_PERSONAL: Mapping[str, tuple[str, ...]] = {
    "audit_seal": ("first_seq", "segment", "count", "total", "ids", "hashes", "at"),
    "audit_cursor": (
        "id", "database", "version", "last_id", "last_seq", "gaps", "signed_seq", "sent_seq", "sender", "sender_until",
    ),
    "audit_retired": ("segment", "count", "line", "at"),
    "people_importrun": (
        "id", "digest", "position", "added", "changed", "unchanged", "refused", "started_at", "finished_at",
    ),
    "desk_office": ("unit_id", "phone", "address_ar", "address_latin", "hours_ar", "hours_latin"),
    # Of many people at once, until they are written, and never found by one of them: the parts are encrypted.
    "people_listjob": (
        "id", "uid", "holds", "name", "size", "said", "state", "why", "sent_by", "said_by", "approved_by", "language",
        "turn", "total", "done", "added", "changed", "unchanged", "refused", "sent_at", "began_at", "moved_at",
        "lease_until",
    ),
    "people_listpart": ("id", "job_id", "part", "number", "ciphertext"),
    "people_listexport": (
        "id", "uid", "asked_by", "desk_id", "unit_id", "who", "ending", "language", "reason", "state", "why", "turn",
        "total", "done", "asked_at", "moved_at", "lease_until",
    ),
    "people_exportpart": ("id", "export_id", "number", "ciphertext"),
    "people_unit": ("id", "code", "kind", "parent_id", "name_ar", "name_latin", "since", "until"),
    "campaigns_campaign": (
        "id", "kind", "state", "name", "why", "unit_id", "belongs_as", "role", "listed", "changed_before", "due_day",
        "pace", "people", "emails", "texts", "segments", "cost", "counted_at", "place", "last", "done", "next_at", "by",
        "approved_by", "created_at", "started_at", "ended_at",
    ),
    "limits_failurecount": ("id", "cells", "number"),
    "figures_figure": (
        "unit_id", "belongs_as", "people", "activated", "one", "two", "recoveries", "median", "emails", "texts",
        "segments", "cost",
    ),
    "figures_figureday": ("unit_id", "day", "people", "activated", "one", "two"),
    "figures_figurerun": ("id", "counted_at", "seconds", "due_at"),
    "limits_season": ("key", "on_until"),
    "limits_passedchallenge": ("ref", "forget_at"),
    "delivery_breaker": (
        "provider", "state", "faults", "pause", "until", "reason", "changed_at", "told_at", "witnesses",
    ),
    "delivery_counter": ("metric", "labels", "value"),
    "sites_signingkey": ("id", "kid", "use", "ciphertext", "public", "created_at", "active_from", "removed_at"),
    "sites_replaycacheentry": ("key", "expires_at"),
    "keyring_datakey": ("name", "check_value", "state", "since", "written_until"),
    "keyring_lastingkey": ("purpose", "ciphertext"),
    "keyring_process": ("name", "holds", "writes", "seen_at"),
    "keyring_unopened": ("place", "why", "seen_at"),
    "upkeep_jobrun": ("job", "ran_at", "tried_at", "fault"),
}  # fmt: skip


def unknown_periods() -> list[str]:
    """Names in MASSAR_KEEP_DAYS that nothing has, or that keep for less than the product needs."""
    least = {kept.name: kept.least for kept in TABLE if kept.days is not None}
    return [
        f"MASSAR_KEEP_DAYS names {name!r}, of which nothing is kept by days: {', '.join(sorted(least))}."
        if name not in least else f"MASSAR_KEEP_DAYS: {name}={days} is less than {least[name]}, which is kept anyway."
        for name, days in settings.MASSAR.keep_days.items() if days < least.get(name, days + 1)
    ]  # fmt: skip


def rows_of(kept: Kept, person_id: int, *, most: int) -> list[dict[str, object]]:
    """The person's own rows with the columns that are given, newest first, `most` of them; 0: all. Refusals are what
    strangers cause: of them the newest `MOST_REFUSALS`. Names stand in the table above alone."""
    newest = "" if kept.owner == "id" or kept.name == "password" else " ORDER BY id DESC"
    which, times = (_BUT_OLD_REFUSALS, 2) if kept.name == "activity" else ("", 1)
    statement = f"SELECT {', '.join(kept.given)} FROM {kept.table} WHERE {kept.owner} = %s{which}{newest}"
    found = sql.rows(statement + (f" LIMIT {most}" if most else ""), (person_id,) * times)
    return [dict(zip(kept.given, map(_readable, kept.given, row), strict=True)) for row in found]


def _readable(column: str, value: object) -> object:
    """A moment as an aware one in UTC, a yes or no as such, whatever the database gave."""
    if column == "offline":
        return bool(value)
    if not column.endswith(("_at", "_from")) and column != "at":
        return value
    if isinstance(value, int):  # seconds since 1970; 0: never
        return datetime.fromtimestamp(value, UTC) if value else None
    return sql.moment(value)  # type: ignore[call-overload]  # text or moment, as the driver gives it
