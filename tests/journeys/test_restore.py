"""Yesterday's copy of the database was put back: nothing that had ended since lives again (ATK-150)."""

from datetime import timedelta

import pytest

from massar.core.audit import api as audit_log
from massar.domain.credentials import api as credentials
from massar.domain.delivery.models import Message, RecoveryRequest
from massar.domain.people import api as people
from massar.domain.sessions.models import Session
from massar.domain.sites import api as sites
from massar.journeys import after_restore
from massar.journeys.sso import access
from tests.cast import (
    FATIMA,
    FATIMA_PHONE,
    HALIMA,
    ILYAS,
    JAMAL,
    KHADIJA,
    KHADIJA_EMAIL,
    RIM,
    SALMA,
    YOUSSEF,
    YOUSSEF_EMAIL,
    facts,
    family,
)
from tests.support.authenticator import add_app, second_step
from tests.support.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_atk_150_nothing_of_the_copy_lives(cast, post, clock):
    """ATK-150: sessions, half-done changes, temporary passwords, codes, tokens, waiting messages and known devices."""
    owner = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    owner.get("/profile/").submit("/profile/", email="new@example.org", password=YOUSSEF.password)
    code = post.code("new@example.org")
    prove = next(a for a in owner.html.split('"') if a.endswith("/prove/"))
    asked = Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL)
    secret = post.secret(KHADIJA_EMAIL)
    halfway = Visitor().ask(FATIMA.login, phone=FATIMA_PHONE).sign_in(FATIMA.login, post.secret(FATIMA_PHONE))
    assert "current" in halfway.get("/password/change/").html
    token = sites.grants.open_service_grant(
        site="massar", scope="openid", subject="s", life=3600, now=int(clock().timestamp())
    )
    assert sites.grants.grant_of(token).ended_at == 0
    Visitor().ask(JAMAL.login, email="nobody@example.org")  # nobody has answered it yet
    newest = Session.objects.latest("id").id

    clock.advance(minutes=1)
    ended = after_restore.end_everything(now=clock())

    assert (
        ended["sessions"]
        and ended["temporary passwords"]
        and ended["codes of contacts"]
        and ended["requests of people"]
    )
    assert not owner.signed_in and sites.grants.grant_of(token).ended_at
    assert asked.sign_in(KHADIJA.login, secret).page.status_code == 422 and not asked.signed_in
    assert halfway.get("/password/change/").path != "/password/change/"
    assert not RecoveryRequest.objects.exclude(state__in=("done", "failed")).exists()
    assert not Message.objects.filter(state__in=("queued", "sending")).exists()
    assert owner.sign_in(YOUSSEF.login, YOUSSEF.password).signed_in, "the password is the copy's"
    assert Session.objects.latest("id").id > newest + 1_000_000, "no site takes the new session for a lost one"
    owner.get("/profile/").submit(prove, code=code)
    assert not [
        one
        for one in people.contacts.of_person(facts(YOUSSEF).id, clock())
        if one.value == "new@example.org" and one.proved
    ]
    told = audit_log.of_person(facts(YOUSSEF).id, limit=50)
    assert told and not after_restore.end_everything(now=clock())["temporary passwords"], "it may be done again"


def test_a_restore_is_no_recovery_of_anybody(cast, clock):
    """Who had a device that is a stranger now has recovered nothing: a site that waits after that opens as before."""
    strict = [sites.Site("strict", protocol="oidc", no_recovery_hours=72)]
    people_here = facts(YOUSSEF), facts(KHADIJA)
    credentials.passwords.distrust_devices(people_here[1].id, now=clock())
    clock.advance(minutes=60)
    after_restore.end_everything(now=clock())
    youssef, khadija = (access.opening_times(strict, person=one, now=clock()) for one in people_here)
    assert youssef == {} and list(khadija.values()) == [clock() + timedelta(hours=71)]


def test_atk_150_a_code_of_an_app_serves_once_though_the_copy_forgot(cast, clock):
    """ATK-150: the step that was used after the copy was made."""
    visitor = Visitor().sign_in(YOUSSEF.login, YOUSSEF.password)
    app, _ = add_app(visitor, YOUSSEF.password, clock)
    code = app.code
    after_restore.end_everything(now=clock())
    assert not second_step(Visitor().sign_in(YOUSSEF.login, YOUSSEF.password), code).signed_in
    clock.advance(minutes=2)
    assert second_step(Visitor().sign_in(YOUSSEF.login, YOUSSEF.password), app.code).signed_in


def test_atk_150_what_the_copy_forgot_is_guarded(cast, post, clock):
    """ATK-150: an old password may be why it was changed. Its owner recovers; who left stays away."""
    here = audit_log.sealing.cursor()
    ids = {person: facts(person).id for person in (YOUSSEF, FATIMA, KHADIJA, SALMA, JAMAL)}

    def line(seq: int, event: str, person_id: int | None, database: str = here.database) -> dict:
        return {"database": database, "seq": here.last_seq + seq, "event": event, "person_id": person_id}

    lines = [
        line(0, "password_changed", ids[SALMA]), line(1, "password_changed", ids[YOUSSEF]),
        line(2, "account_disabled", ids[FATIMA]), line(3, "password_changed", ids[FATIMA]),
        line(4, "account_disabled", ids[KHADIJA]), line(5, "account_enabled", ids[KHADIJA]),
        line(6, "sign_in", ids[KHADIJA]), line(7, "password_changed", 10**6), line(8, "siege_ordered", None),
        line(9, "password_changed", ids[SALMA], "another"), line(10, "factor_removed", ids[JAMAL]),
        line(11, "account_disabled", ids[JAMAL]), line(12, "account_enabled", ids[JAMAL]),
    ]  # fmt: skip
    lost = after_restore.guard(lines, now=clock())

    assert (lost.rows, lost.disabled, lost.strange) == (11, [FATIMA.login], 1)
    assert set(lost.frozen) == {YOUSSEF.login, FATIMA.login, JAMAL.login}, "shut, or opened again, in between or since"
    assert not Visitor().sign_in(YOUSSEF.login, YOUSSEF.password).signed_in
    assert Visitor().sign_in(SALMA.login, SALMA.password).signed_in
    assert Visitor().sign_in(KHADIJA.login, KHADIJA.password).signed_in
    assert len(post.messages(YOUSSEF_EMAIL)) == 1, "its owner is told"


def test_atk_150_a_guardian_who_answers_no_more_does_not_come_back(cast, clock):
    """ATK-150: the phone of who may have lost a child in court opens the child's account in the copy."""
    family(now=clock())
    here, child, mother = audit_log.sealing.cursor(), facts(ILYAS).id, facts(HALIMA).id
    line = {
        "database": here.database, "seq": here.last_seq + 1, "event": "guardian_unlinked", "person_id": child,
        "outcome": "", "detail": {"guardian": mother},
    }  # fmt: skip
    again = {**line, "seq": here.last_seq + 2, "event": "guardian_linked"}
    assert after_restore.guard([line, again], now=clock()).unlinked == 0
    assert people.guardians.between(mother, child, now=clock())
    assert after_restore.guard([line], now=clock()).unlinked == 1
    assert people.guardians.between(mother, child, now=clock()) is None
    assert people.guardians.between(mother, facts(RIM).id, now=clock()), "her other children stay hers"
    assert after_restore.guard([line], now=clock()).unlinked == 0, "it may be done again"


def test_atk_150_a_role_that_was_taken_back_does_not_come_back(cast, clock):
    """ATK-150: who may recover the accounts of others, or not any more, stands in the copy as it was."""
    here, today, jamal = audit_log.sealing.cursor(), clock().date(), facts(JAMAL)
    head, school = people.rights.Role.HEAD, people.units.by_code("24187K")
    people.roles.grant(jamal.id, head, school, since=today, until=today, reason="note", by=None, now=clock())
    line = {
        "database": here.database, "seq": here.last_seq + 1, "event": "role_revoked", "person_id": jamal.id,
        "outcome": "head", "detail": {"unit": "24187K", "reason": "note"},
    }  # fmt: skip
    assert after_restore.guard([line], now=clock()) == after_restore.Lost(
        1, [], [], 0, [(JAMAL.login, "head", "24187K")]
    )
    assert people.roles.of_person(jamal.id)[0].revoked_at
    assert after_restore.guard([line], now=clock()) == after_restore.Lost(1, [], [], 0, []), "it may be done again"
