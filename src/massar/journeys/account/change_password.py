"""Changing the password: forced, paid for by a temporary password; asked for by a campaign; or of one's own will.

Everything of a change stands in one transaction: the new hash, the temporary secrets that end, the sessions that end,
the contacts that freeze after a recovery, the notices, the audit log row."""

from datetime import datetime
from itertools import islice

from django.conf import settings
from django.db import transaction

from massar.core import ids
from massar.core.audit import api as audit_log
from massar.core.browser import Browser
from massar.domain.campaigns import api as campaigns
from massar.domain.credentials import api as credentials
from massar.domain.desk import api as desk
from massar.domain.factors import api as factors
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.policy import api as policy
from massar.domain.sessions import api as sessions
from massar.journeys.account import (
    close_sessions,
    edit_profile,
    guardians,
    notices,
    recover_password,
    second_step,
    sign_in,
)
from massar.journeys.account.close_sessions import SignedIn
from massar.journeys.desk import open_case
from massar.journeys.outcomes import (
    FactorNotFresh,
    Gone,
    Overloaded,
    Problem,
    Problems,
    SecondStepRequired,
    SessionOpened,
    TooManyAttempts,
)

SUGGESTIONS = 3
DRAWS_FOR_ONE = 10  # at most; under the rules that come with the product hardly one in two thousand is drawn again


def by_temporary(
    *, grant: sessions.ChangeFacts, current: str, new: str, confirm: str, browser: Browser, now: datetime
) -> SessionOpened | SecondStepRequired | Problems | TooManyAttempts | Gone | Overloaded:
    """Change as forced. `current` is the temporary password once more; it may be empty once it was typed right in this
    change session, and is not asked of a pupil. Ends signed in, in a new session; or at the second step, where one is
    needed and was not proved, for the lost ones went with this very change."""
    person = people.directory.by_id(grant.person_id, now=now)
    if person is None or not person.enabled or not credentials.temporary.is_claimed(grant.temporary_id, grant.claim):
        return Gone()
    not_asked = not current and not asks_again(person, grant)
    refused = None if not_asked else _prove_temporary(grant, current, now)
    if refused:
        return refused
    hashed = _judge_and_hash(person, new, confirm, now)
    if not isinstance(hashed, str):
        if isinstance(hashed, Problems):
            sessions.changing.current_was_right(grant.id, now=now)
        return hashed
    with transaction.atomic():
        people.contacts.lock(person.id)
        first = not credentials.passwords.activated([person.id])
        paid_by = credentials.temporary.consume(grant.temporary_id, grant.claim, now=now)
        if not paid_by:
            return Gone()
        if paid_by == credentials.temporary.DESK and not _finish_case(person, grant, browser, now):
            transaction.set_rollback(True)
            return Gone()
        credentials.passwords.save(person.id, hashed, now=now, recovered=True)
        _settle(person, browser, now, paid_by=paid_by, first=first)
        if close_sessions.must_have_factor(person, now=now) and not _proved_factor(grant):
            stored = credentials.passwords.stored(person.id, factors=factors.held.SINCE)
            return sign_in.ask_for_second_step(person, stored, browser=browser, now=now, first="temporary_password")
        amr = f"{sign_in.PASSWORD_ALONE} {grant.amr}".strip()
        return sign_in.open_session(person, how="temporary_password", amr=amr, browser=browser, now=now)


def _finish_case(person: people.PersonFacts, grant: sessions.ChangeFacts, browser: Browser, now: datetime) -> bool:
    """End the case that paid for the change; False where it was closed meanwhile, or its agents were. A
    second factor that was not proved goes, as its loss was told and its wait is over; False where that was stopped
    meanwhile, to the last moment."""
    case = desk.cases.by_id(credentials.temporary.case_of(grant.temporary_id) or 0)
    if case is None or not open_case.agents_stand(case, now) or not desk.cases.finish(case.id, now=now):
        return False
    if _proved_factor(grant) or not factors.held.of_person(person.id):
        return True
    return sign_in.take_lost_factors_away(person, browser=browser, now=now)


def _proved_factor(grant: sessions.ChangeFacts) -> bool:
    return second_step.SEVERAL in grant.amr.split()


def _settle(person: people.PersonFacts, browser: Browser, now: datetime, *, paid_by: str, first: bool) -> None:
    """What follows a password that a temporary one has paid for. first: the account had none. Then there is nobody whom
    its contacts would have to be kept for, unless it is frozen: they are not closed (ADR 78). Inside the caller's
    transaction."""
    event = "account_activated" if first and not person.frozen_at else "password_recovered"
    ended, told = close_sessions.end_everything(person, now=now, why="recovered")
    undone = list[people.Contact]()
    if event == "password_recovered":
        undone = people.contacts.undo_pending_changes(person.id, now=now, wait=settings.MASSAR.contact_wait)
    sign_in.fill_limits(person)
    recover_password.fill_limits(person, purpose=credentials.temporary.RECOVERY, now=now)
    dropped = edit_profile.as_undone(undone, now).dropped
    if person.frozen_at:  # every secret of before the freeze is dead: this one went to a contact from before it all
        people.directory.reopen(person.id, now=now)
    entry = audit_log.record_event(
        event, now=now, person_id=person.id, outcome="reopened" if person.frozen_at else "", browser=browser,
        sessions_ended=len(ended), changes_cancelled=len(undone), sites_told=told,
        paid_by=paid_by,
    )  # fmt: skip
    notices.tell(person, event, now=now, browser=browser, dropped=dropped, entry=entry)
    guardians.tell(person, "child_recovered", entry=entry, browser=browser, now=now)


def as_due(
    *, grant: sessions.ChangeFacts, new: str, confirm: str, browser: Browser, now: datetime
) -> SessionOpened | Problems | Gone | Overloaded:
    """Change as a campaign asks. The password in use was typed right when the change session was opened, so that is
    what pays, once. Whatever has changed or frozen the account since has ended the change session: Gone."""
    person = people.directory.by_id(grant.person_id, now=now)
    if person is None or not person.active:
        return Gone()
    hashed = _judge_and_hash(person, new, confirm, now)
    if not isinstance(hashed, str):
        return hashed
    with transaction.atomic():
        people.contacts.lock(person.id)
        if not sessions.changing.end(grant.id, now=now):
            return Gone()
        _save_chosen(person, hashed, browser, now, outcome="due")
        amr = f"{sign_in.PASSWORD_ALONE} {grant.amr}".strip()
        return sign_in.open_session(person, how="password", amr=amr, browser=browser, now=now)


def _save_chosen(person: people.PersonFacts, hashed: str, browser: Browser, now: datetime, outcome: str = "") -> None:
    """Save what the owner chose, and end all that the former password had opened. Inside the caller's transaction."""
    credentials.passwords.save(person.id, hashed, now=now)
    credentials.temporary.end_all(person.id, now=now, why="changed")
    ended, told = close_sessions.end_everything(person, now=now, why="password_changed")
    entry = audit_log.record_event(
        "password_changed", now=now, person_id=person.id, outcome=outcome, browser=browser,
        sessions_ended=len(ended) - (not outcome), sites_told=told,  # of one's own will this one is renewed
    )  # fmt: skip
    notices.tell(person, "password_changed", now=now, browser=browser, entry=entry)


@transaction.atomic
def _prove_temporary(grant: sessions.ChangeFacts, current: str, now: datetime) -> TooManyAttempts | Problems | None:
    """Charge each try before it is compared; the right one is refunded, in the same commit. Tries side by side wait for
    each other, so none is judged uncharged."""
    tries = limits.rate_limits.CHANGE_CURRENT.bucket(grant.claim)
    refused = limits.consume([tries], now=now)
    if refused:
        return TooManyAttempts(refused.until)
    secret = policy.canonical_temporary(current)
    if secret is None or not credentials.temporary.is_the_one(grant.temporary_id, grant.claim, secret):
        return Problems({"current": [Problem("password_wrong")]})
    limits.refund([tries], now=now)
    return None


def by_owner(
    *, signed_in: SignedIn, current: str, new: str, confirm: str, browser: Browser, now: datetime
) -> SessionOpened | Problems | TooManyAttempts | FactorNotFresh | Gone | Overloaded:
    """Change by choice, after the proof with the current password. Other sessions end; this one is renewed, and what
    was proved in it stays what it was. Gone: the session ended while the password was being proved (a recovery or
    another change came first)."""
    person, session = signed_in
    refused = sign_in.prove_again(signed_in=signed_in, password=current, field="current", browser=browser, now=now)
    hashed = refused or _judge_and_hash(person, new, confirm, now)
    if not isinstance(hashed, str):
        return hashed
    with transaction.atomic():
        people.contacts.lock(person.id)
        if not sessions.signed_in.hold(session.id, person.id):
            return Gone()
        if sign_in.owes_factor(signed_in, now=now):  # one may have been added meanwhile, elsewhere
            return FactorNotFresh()
        _save_chosen(person, hashed, browser, now)
        return sign_in.open_session(
            person, how="password", amr=session.amr, second_at=session.second_at, browser=browser, now=now
        )


def close(*, grant: sessions.ChangeFacts, now: datetime) -> None:
    """Leave («إغلاق»); the same secret opens the change again while it is in time."""
    sessions.changing.end(grant.id, now=now)


def reason_due(grant: sessions.ChangeFacts) -> str:
    """Why another password is asked for, as `due.why.<word>` of the catalogues says it; '' where a temporary password
    opened the change."""
    if not grant.due:
        return ""
    campaign = credentials.passwords.due_for(grant.person_id)
    return campaigns.store.why(campaign) if campaign else campaigns.DEFAULT_WHY


def asks_again(person: people.PersonFacts, grant: sessions.ChangeFacts) -> bool:
    """Whether the form asks for the temporary password once more: not once it was right, and not a child, who has just
    typed it into this browser and would have to type it again without seeing it."""
    return not (grant.current_right or person.is_pupil)


def rules(person: people.PersonFacts) -> list[policy.Rule]:
    """Return the checklist of the person's rule profile, in page order: what is shown beforehand, and what a browser
    may tell when it is broken."""
    return policy.checklist(_profile(person))


def suggestions(person: people.PersonFacts, language: str, now: datetime) -> list[str]:
    """Passwords to choose from, for who can't think of one: words and a number that keep the rules of this person,
    drawn anew each time and kept nowhere. Of one of them a guess hits in one of a thousand million."""
    owner, profile = _owner(person, now), _profile(person)
    drawn = (_words_and_number(language) for _ in range(SUGGESTIONS * DRAWS_FOR_ONE))
    return list(islice((one for one in drawn if not policy.refusals(one, facts=owner, profile=profile)), SUGGESTIONS))


def _words_and_number(language: str) -> str:
    words = policy.words
    number = ids.between(words.LEAST_NUMBER, words.GREATEST_NUMBER)
    return f"{' '.join(ids.pick(words.WORDS[language], words.WORDS_OF_ONE))} {number}"


def _profile(person: people.PersonFacts) -> policy.Profile:
    ours = settings.MASSAR
    return policy.PROFILES[ours.pupil_password_profile if person.is_pupil else ours.password_profile]


def _judge_and_hash(person: people.PersonFacts, new: str, confirm: str, now: datetime) -> str | Problems | Overloaded:
    """Return the hash of a new password that keeps the rules. The history is asked last: it costs a hash for each
    former password."""
    found: dict[str, list[Problem]] = {}
    canonical, wrong = policy.canonical(new), broken_rules(new, person, now)
    try:
        if wrong:
            found["new"] = wrong
        elif credentials.passwords.was_used(canonical, person.id):
            found["new"] = [Problem("rule.reused.refused")]
        if canonical != policy.canonical(confirm):
            found["confirm"] = [Problem("rule.mismatch.refused")]
        return Problems(found) if found else credentials.passwords.hash_password(canonical)
    except credentials.Busy:
        return Overloaded()


def broken_rules(password: str, person: people.PersonFacts, now: datetime) -> list[Problem]:
    """Judge a password by the rules, which also know what it must not point to."""
    refusals = policy.refusals(password, facts=_owner(person, now), profile=_profile(person))
    return [Problem(f"rule.{rule.id}.refused", rule.args) for rule in refusals]


def _owner(person: people.PersonFacts, now: datetime) -> policy.Owner:
    contacts = people.contacts.of_person(person.id, now)
    return policy.Owner(
        login=person.login,
        names=person.names,
        establishments=tuple(filter(None, (person.establishment_ar, person.establishment_latin))),
        phones=tuple(c.value for c in contacts if c.kind == "phone"),
        emails=tuple(c.value for c in contacts if c.kind == "email"),
    )
