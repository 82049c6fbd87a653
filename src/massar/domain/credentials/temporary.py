"""Temporary passwords: issued, claimed by one browser, consumed by one change (decisions 1–7).

issued --right secret, in time--> claimed --right secret again--> claimed (by the newer browser)
  |                                  |
  |                                  +--new password saved--> consumed
  +--third request, password changed, sign-in with the old password by the asking browser, …--> dead

A running secret may be sent again (ADR 36): each browser that asked for it has a row, and so tries, of its own.

A vouching code (ADR 55) is a secret of the same kind with another purpose, which is signed with it: neither serves as
the other. Only a browser that asked may claim it, once; its moves end at "claimed".

What is handed over on paper or by voice (`handed`) is typed where a recovery's secret is, and is tried with it in the
same statement; nobody asked for it, so all browsers share its tries.

What the help desk approves (ADR 77) is a claim that nobody has a secret for: it begins at "claimed", in the browser
that showed the case's number."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Max, Q, QuerySet

from massar.core import encryption, ids, sql
from massar.domain.credentials.models import TemporaryPassword

State = TemporaryPassword.State
MOVES: dict[State, set[State]] = {
    State.ISSUED: {State.CLAIMED, State.DEAD},
    State.CLAIMED: {State.CLAIMED, State.CONSUMED, State.DEAD},
    State.CONSUMED: set(),
    State.DEAD: set(),
}
LIVE = (State.ISSUED, State.CLAIMED)
RECOVERY, VOUCHING = "recovery", "vouching"  # what a secret is for
SLIP, CLASS_CODE = HANDED = ("slip", "class")
DESK = "desk"  # purpose and channel of a claim without a secret; in place of a contact it has a case
_SIGNED_AS = {RECOVERY: "temporary", VOUCHING: "vouching", SLIP: "slip", CLASS_CODE: "class-code", DESK: "desk-claim"}
_TRIED_TOGETHER = {RECOVERY: (RECOVERY, *HANDED), VOUCHING: (VOUCHING,) * 3}
MOST_LIVE = 2
TRIES_OF_OTHERS = 100  # NIST SP 800-63B-4 §3.2.2
TRIES_OF_ASKER = 20
MOST_ASKERS = 200  # browsers that share one secret, each with a row
REMEMBERED = timedelta(hours=24)  # how long a late secret is still told from a wrong one
WORTH_TYPING = timedelta(minutes=3)  # what must be left of its life: an SMS has to arrive, and be typed
UNDER_WAY = timedelta(minutes=10)  # how long a message that has not left yet is waited for
USUAL_ROWS = 6  # compared at each try, whoever it is; more only where somebody asked again and again within a day
# What was handed over lives for months, and is still told from a wrong code when it was used or withdrawn: whoever
# types it has the paper in hand.
_TRYABLE = (
    "person_id IN (%s, %s) AND purpose IN (%s, %s, %s) AND (issued_at > %s OR expires_at > %s) "
    "AND (state IN ('issued', 'claimed') OR (state = 'dead' AND ended_why = 'superseded') "
    "OR (purpose IN ('slip', 'class') AND ended_why IN ('changed', 'voided')))"
)
# Of the browsers that share a secret the newest one's row counts the tries of all others: were each row touched, the
# time of a try would tell how often the right contact was asked for (ATK-021).
_TRY = f"""
UPDATE credentials_temporarypassword SET
    asker_tries = asker_tries + CASE WHEN recovery_browser_hmac = %s THEN 1 ELSE 0 END,
    tries = tries + CASE WHEN recovery_browser_hmac = %s THEN 0 ELSE 1 END
WHERE {_TRYABLE} AND (recovery_browser_hmac = %s OR id IN (
    SELECT MAX(id) FROM credentials_temporarypassword
    WHERE {_TRYABLE} AND recovery_browser_hmac <> %s AND purpose <> 'vouching' GROUP BY secret_hmac
))
RETURNING id, person_id, channel, contact_id, secret_hmac, expires_at, recovery_browser_hmac, tries, asker_tries, state,
purpose
"""
_SECRETS_OF = "SELECT person_id, secret_hmac FROM credentials_temporarypassword WHERE id IN ({})"


class Match(NamedTuple):
    """A typed secret that fits an issued one of that person. `late`: right, but its time is over, a newer one took its
    place, or it was handed over and has been used or withdrawn."""

    id: int
    person_id: int
    late: bool
    handed: bool


class _Tried(NamedTuple):
    id: int
    person_id: int
    channel: str
    contact_id: int
    secret_hmac: str
    expires_at: datetime | None
    recovery_browser_hmac: str
    tries: int
    asker_tries: int
    state: str
    purpose: str


@dataclass(frozen=True)
class LiveSecret:
    """A live secret that its contact was told. `expires_at` None: its message has not left yet."""

    id: int
    secret: str = field(repr=False)
    expires_at: datetime | None
    issued_at: datetime


def issue(
    person_id: int, *, channel: str, contact_id: int, recovery_browser: str, now: datetime, known: bool = False,
    purpose: str = RECOVERY,
) -> tuple[int, str]:  # fmt: skip
    """Make a new secret for that contact: (id, canonical secret). At most two live; a third ends the oldest. Those of
    known devices are counted apart: no stranger's request ends what the owner asked for there."""
    live = _live(_not_expired(now), person_id=person_id, known=known, purpose=purpose)
    held = list(live.order_by("-issued_at", "-id").values_list("pk", "secret_hmac"))
    kept = list(dict.fromkeys(secret_hmac for _, secret_hmac in held))[: MOST_LIVE - 1]
    _end(_live(pk__in=[pk for pk, secret_hmac in held if secret_hmac not in kept]), now, "superseded")
    secret = ids.temporary_password()
    secret_hmac = encryption.data_keys().sign(_SIGNED_AS[purpose], person_id, channel, contact_id, secret)
    row = TemporaryPassword(person_id=person_id, channel=channel, contact_id=contact_id, issued_at=now, known=known)
    row.purpose, row.recovery_browser_hmac, row.secret_hmac = purpose, _browser_hmac(recovery_browser), secret_hmac
    row.ciphertext = encryption.data_keys().encrypt(secret.encode(), associated_data=f"temporary|{secret_hmac}")
    row.save(force_insert=True)
    return row.pk, secret


def find_live(person_id: int, contact_id: int, *, now: datetime, purpose: str = RECOVERY) -> LiveSecret | None:
    """Find the live secret that this contact was told last, if there is time enough to type it."""
    worth_typing = Q(expires_at=None, issued_at__gt=now - UNDER_WAY) | Q(expires_at__gt=now + WORTH_TYPING)
    live = _live(worth_typing, person_id=person_id, contact_id=contact_id, purpose=purpose, ciphertext__isnull=False)
    row = live.order_by("-issued_at", "-id").first()
    if row is None or row.ciphertext is None:
        return None
    place, data = f"credentials_temporarypassword {row.pk}", f"temporary|{row.secret_hmac}"
    secret = encryption.open_row(row.ciphertext, associated_data=data, row=place)
    return LiveSecret(row.pk, secret.decode(), row.expires_at, row.issued_at) if secret is not None else None


def share(found: LiveSecret, *, recovery_browser: str, sent_at: datetime) -> int:
    """Give one more browser that asked a row of that secret; return its id. Tries of others count on, its own begin.
    Beyond `MOST_ASKERS` the oldest give way, but not the known device's for which it was made. sent_at: when the
    contact was, or is, told it for this browser. The caller holds the person's lock."""
    row = TemporaryPassword.objects.get(pk=found.id)
    mine = _browser_hmac(recovery_browser)
    same = _live(person_id=row.person_id, secret_hmac=row.secret_hmac, recovery_browser_hmac=mine)
    own = same.order_by("-id").values_list("pk", flat=True).first()
    if own is not None:
        same.filter(pk=own).update(issued_at=sent_at)
        return own
    row.pk, row.state, row.claim = None, State.ISSUED, ""
    row.recovery_browser_hmac, row.issued_at, row.asker_tries = mine, sent_at, 0
    # From here on the new row counts them for all.
    shared = TemporaryPassword.objects.filter(person_id=row.person_id, secret_hmac=row.secret_hmac)
    row.tries = shared.aggregate(most=Max("tries"))["most"]
    row.save(force_insert=True)
    waiting = _live(person_id=row.person_id, secret_hmac=row.secret_hmac).exclude(state=State.CLAIMED)
    crowd = sorted(waiting.order_by("-issued_at", "-id").values_list("pk", flat=True)[MOST_ASKERS:])
    if row.known:
        crowd = crowd[1:]  # the row for which the secret was made
    if crowd:
        _end(_live(pk__in=crowd), now=sent_at, why="crowded")
    return row.pk


def fix_expiry(temporary_ids: list[int], expires_at: datetime) -> None:
    """Set their end once, just before the first attempt to hand over; in each browser's row of the same secret."""
    if not temporary_ids:  # a query that asks nothing is dear to build
        return
    sql.execute(
        "UPDATE credentials_temporarypassword SET expires_at = %s WHERE state = 'issued' AND expires_at IS NULL "
        f"AND (person_id, secret_hmac) IN ({_SECRETS_OF.format(sql.placeholders(len(temporary_ids)))})",
        (sql.at(expires_at), *temporary_ids),
    )


def wanted(temporary_ids: list[int], now: datetime) -> set[int]:
    """Those of them that it still makes sense to send, to one of the browsers that asked."""
    if not temporary_ids:  # as in most turns of a worker: a query that asks nothing is dear to build
        return set()
    found = sql.rows(
        "SELECT DISTINCT one.id FROM credentials_temporarypassword one JOIN credentials_temporarypassword same "
        "ON same.person_id = one.person_id AND same.secret_hmac = one.secret_hmac "
        f"WHERE one.id IN ({sql.placeholders(len(temporary_ids))}) AND same.state IN ('issued', 'claimed') "
        "AND (same.expires_at IS NULL OR same.expires_at > %s)",
        (*temporary_ids, sql.at(now)),
    )
    return {pk for (pk,) in found}


def match(
    person_ids: Sequence[int], secret: str, *, recovery_browser: str, now: datetime, purpose: str = RECOVERY
) -> Match | None:
    """Compare a code-shaped input with what was issued to these people, whom one name may mean, two at most; the try is
    counted first, in one statement, whoever it is. It touches one row of each secret, and this browser's own; as many
    HMACs are computed for who has none. The browser that asked has tries of its own; all others share theirs. A code
    that one side has used up stays open to the other. A vouching code is looked for in what this browser asked for, and
    nowhere else."""
    mine, since = _browser_hmac(recovery_browser), sql.at(now - REMEMBERED)
    asked_by = (*(*person_ids, 0, 0)[:2], *_TRIED_TOGETHER[purpose], since, since, mine)
    tried = sql.select(_Tried, _TRY, (mine, mine, *asked_by, *asked_by))
    best = None
    for one in sorted(tried, key=lambda one: one.id):
        named = (_SIGNED_AS[one.purpose], one.person_id, one.channel, one.contact_id, secret)
        fits = encryption.data_keys().verify(one.secret_hmac, *named)
        own = one.recovery_browser_hmac == mine
        used_up = one.asker_tries > TRIES_OF_ASKER if own else one.tries > TRIES_OF_OTHERS
        if fits and not used_up and one.expires_at is not None:
            late = one.state not in LIVE or one.expires_at <= now
            best = Match(one.id, one.person_id, late=late, handed=one.purpose in HANDED)
    for _ in range(USUAL_ROWS - len(tried)):  # as many for who has none: no clock tells where a secret lives
        encryption.data_keys().verify("", _SIGNED_AS[purpose], 0, "email", 0, secret)
    return best


def signed_as(purpose: str) -> str:
    """The name that is signed with a secret of that purpose, so that none serves as one of another."""
    return _SIGNED_AS[purpose]


def claim(temporary_id: int, *, now: datetime) -> str | None:
    """Claim the code for one browser, atomically. Returns the claim, or None if it was no longer to be had."""
    mark = ids.short_token()
    claimed = _live(pk=temporary_id, expires_at__gt=now).update(state=State.CLAIMED, claim=mark)
    return mark if claimed else None


def claim_for_case(person_id: int, case_id: int, *, until: datetime, now: datetime) -> tuple[int, str]:
    """Make a claim of which nobody ever has the secret: (id, claim). An earlier one of the person ends. The caller
    holds the person's lock, and has seen that the desk approved it."""
    _end(_live(person_id=person_id, purpose=DESK), now, "superseded")
    unknown = encryption.data_keys().sign(_SIGNED_AS[DESK], person_id, DESK, case_id, ids.token())
    row = TemporaryPassword.objects.create(
        person_id=person_id, purpose=DESK, channel=DESK, contact_id=case_id, secret_hmac=unknown, state=State.CLAIMED,
        claim=ids.short_token(), recovery_browser_hmac="none", issued_at=now, expires_at=until,
    )  # fmt: skip
    return row.pk, row.claim


def case_of(temporary_id: int) -> int | None:
    """The case that a claim stands for; None where it was typed as a secret."""
    rows = TemporaryPassword.objects.filter(pk=temporary_id, purpose=DESK)
    return rows.values_list("contact_id", flat=True).first()


def claim_once(temporary_id: int, *, now: datetime) -> tuple[str, bool] | None:
    """Claim a vouching code for the browser of that row: (claim, whether it is new). The rows of all other browsers
    end. Who claims again gets the same claim until the code's end: an answer may be lost, or asked for twice. None: it
    is no longer to be had. The caller holds the person's lock."""
    mark = ids.short_token()
    row = TemporaryPassword.objects.filter(pk=temporary_id, purpose=VOUCHING, expires_at__gt=now)
    if row.filter(state=State.ISSUED).update(state=State.CLAIMED, claim=mark, ciphertext=None):
        person_id, secret_hmac = row.values_list("person_id", "secret_hmac").get()
        _end(_live(person_id=person_id, secret_hmac=secret_hmac).exclude(pk=temporary_id), now, "vouched")
        return mark, True
    claimed = row.filter(state=State.CLAIMED).values_list("claim", flat=True).first()
    return (claimed, False) if claimed else None


def is_claimed(temporary_id: int, claim_mark: str) -> bool:
    return _claimed(temporary_id, claim_mark).exists()


def is_the_one(temporary_id: int, claim_mark: str, secret: str) -> bool:
    """Whether the typed secret is the claimed one (the form asks for it again as the current password)."""
    row = _claimed(temporary_id, claim_mark).first()
    return row is not None and encryption.data_keys().verify(
        row.secret_hmac, _SIGNED_AS[row.purpose], row.person_id, row.channel, row.contact_id, secret
    )


def consume(temporary_id: int, claim_mark: str, *, now: datetime) -> str:
    """Use up the code that paid for a change, atomically and once; return what it was for, '' if it was not to be had.
    All others of the account end."""
    mine = _claimed(temporary_id, claim_mark)
    person_id, purpose = mine.values_list("person_id", "purpose").first() or (None, "")
    if person_id is None or not mine.update(state=State.CONSUMED, ended_at=now, ended_why="changed", ciphertext=None):
        return ""
    end_all(person_id, now=now, why="changed")
    return purpose


def end_all(person_id: int, *, now: datetime, why: str) -> int:
    return _end(_live(person_id=person_id), now, why)


def end_told(person_ids: Sequence[int], contact_ids: Sequence[int], *, now: datetime, why: str) -> int:
    """End what these people's secrets are that went to one of these contacts, which may be others'."""
    return _end(_live(person_id__in=person_ids, contact_id__in=contact_ids), now, why)


def running(person_ids: Sequence[int], *, now: datetime) -> set[int]:
    """Those of these people who have a secret that serves, or is on its way, or a claim of the desk's; slips lie in a
    drawer for months."""
    found = _live(_not_expired(now), person_id__in=person_ids, purpose__in=(RECOVERY, CLASS_CODE, DESK))
    return set(found.values_list("person_id", flat=True)) if person_ids else set()


def end_everybodys(*, now: datetime, why: str) -> int:
    return _end(_live(), now, why)


def end_those_of_browser(person_id: int, recovery_browser: str, *, now: datetime) -> int:
    """End what the browser asked for that signed in with the password in use: it is not needed (decision 6)."""
    if not recovery_browser:
        return 0
    return sql.execute(
        "UPDATE credentials_temporarypassword SET state = 'dead', ended_at = %s, ended_why = 'remembered', "
        "ciphertext = NULL WHERE person_id = %s AND recovery_browser_hmac = %s AND state IN ('issued', 'claimed')",
        (sql.at(now), person_id, _browser_hmac(recovery_browser)),
    )


def sweep(*, now: datetime) -> int:
    """End what is long past its time, or was never handed over. What has run out can't be read any more."""
    TemporaryPassword.objects.filter(ciphertext__isnull=False, expires_at__lte=now).update(ciphertext=None)
    return sql.execute(
        "UPDATE credentials_temporarypassword SET state = 'dead', ended_at = %s, ended_why = 'expired', "
        "ciphertext = NULL WHERE state IN ('issued', 'claimed') AND COALESCE(expires_at, issued_at) < %s",
        (sql.at(now), sql.at(now - REMEMBERED)),
    )


def forget(*, now: datetime, keep: timedelta) -> int:
    """Remove what ended so long ago. `REMEMBERED` is shorter than any `keep`."""
    return TemporaryPassword.objects.filter(ended_at__lt=now - keep).delete()[0]


def recoveries(*, belonging: str, params: Sequence[object], since: datetime) -> list[tuple[int, int, int]]:
    """Of each recovery since then that ended with a new password: (unit, kind of belonging, seconds from the making of
    its secret to the new password). belonging: a SELECT of (person_id, unit_id, kind), with what it takes."""
    seconds = sql.seconds_between("t.issued_at", "t.ended_at")
    found = sql.rows(
        f"SELECT m.unit_id, m.kind, {seconds} FROM credentials_temporarypassword t "
        f"JOIN ({belonging}) m ON m.person_id = t.person_id "
        "WHERE t.state = 'consumed' AND t.purpose = 'recovery' AND t.issued_at >= %s",
        (*params, sql.at(since)),
    )
    return [(unit_id, kind, round(taken)) for unit_id, kind, taken in found]


def _browser_hmac(recovery_browser: str) -> str:
    """'none' without a cookie: it never equals what a row has."""
    return encryption.data_keys().blind_index("recovery-browser", recovery_browser) if recovery_browser else "none"


def _not_expired(now: datetime) -> Q:
    return Q(expires_at=None) | Q(expires_at__gt=now)


def _live(*conditions: Q, **fields: object) -> QuerySet[TemporaryPassword]:
    return TemporaryPassword.objects.filter(*conditions, state__in=LIVE, **fields)


def _claimed(temporary_id: int, claim_mark: str) -> QuerySet[TemporaryPassword]:
    return TemporaryPassword.objects.filter(pk=temporary_id, state=State.CLAIMED, claim=claim_mark)


def _end(which: QuerySet[TemporaryPassword], now: datetime, why: str) -> int:
    return which.update(state=State.DEAD, ended_at=now, ended_why=why, ciphertext=None)
