"""The data keys change while people work: over two nodes, in any order, and nobody notices."""

import logging
from datetime import timedelta

import pytest
from django.conf import settings

from massar.core import encryption, log, sql
from massar.core.keyring import api as keyring
from massar.domain.credentials import api as credentials
from massar.domain.credentials.models import Password, TemporaryPassword
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Message, RecoveryRequest
from massar.domain.limits import api as limits
from massar.domain.people import api as people
from massar.domain.people.models import Contact
from massar.domain.sites import api as sites
from massar.interfaces.commands import check
from massar.journeys.keys import change_data_keys
from massar.journeys.messages import watch_messages
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, NEW, facts
from tests.support.canary import everything_stored
from tests.support.nodes import alone, look, node
from tests.support.steps import home, secrets, shows
from tests.support.trail import all_events
from tests.support.visitor import Visitor

pytestmark = pytest.mark.both_databases
OLD, BOTH, TURNED, AFTER = ("demo",), ("demo", "k2"), ("k2", "demo"), ("k2",)


def reseal() -> list[str]:
    return change_data_keys.reseal(say=lambda _: None)


def turn_to_k2(clock) -> None:
    """As the operator's command does; this node sees it at once."""
    look()
    assert change_data_keys.activate("k2", now=clock())
    look()


def under(name: str) -> int:
    return sum(keyring.rows.count(sealed, [name]) for sealed in change_data_keys.SEALED)


@pytest.mark.parametrize("nodes", [
    [BOTH, OLD, BOTH, TURNED], [OLD, TURNED, TURNED, BOTH], [TURNED, BOTH, BOTH, TURNED],
], ids=["one, then the other", "the other first", "both at once"])  # fmt: skip
def test_atk_146_keys_change_under_people_on_two_nodes(cast, post, clock, nodes):
    """Whoever is signed in stays so, whoever signs in gets in, on either node, and what one asks the other answers."""
    with node(*OLD):
        inside = home(FATIMA)
        asker = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    for keys in nodes:  # restarted one after the other; nothing is written under the new key yet
        with node(*keys):
            assert look() == "" and encryption.data_keys().writes == "demo"
            assert inside.signed_in and Visitor().sign_in(KHADIJA.login, KHADIJA.password).signed_in
    first, second = nodes[-2:]
    with node(*first):
        assert change_data_keys.without("k2", now=clock()) == []
        assert change_data_keys.activate("k2", now=clock())
        assert look() == "" and encryption.data_keys().writes == "k2"
        assert inside.signed_in and asker.sign_in(FATIMA.login, post.secret(FATIMA_PHONE)).path == "/password/expired/"
        newer = home(JAMAL)
    with node(*second):
        assert newer.signed_in and inside.signed_in
        assert reseal() == [] and under("demo") == 0 < under("k2")
        asker.change(secrets(post, FATIMA_PHONE)[-1], NEW)
        assert asker.signed_in and Visitor().sign_in(FATIMA.login, NEW).signed_in
    with node(*first):
        assert newer.signed_in and Visitor().sign_in(KHADIJA.login, KHADIJA.password).signed_in
        assert all(one.genuine for one in all_events())


def test_an_old_key_goes_when_nothing_needs_it_and_not_before(cast, clock):
    with node(*OLD):
        inside = home(JAMAL)
    with node(*BOTH):
        assert change_data_keys.reasons_to_keep("demo", stolen=False, now=clock()) != [], "it writes"
        turn_to_k2(clock)
        [rows, just, alive] = change_data_keys.reasons_to_keep("demo", stolen=False, now=clock())
        assert "reseal" in rows and "wait a minute" in just and "1 sessions of demo are alive" in alive
        reseal()
        assert under("demo") == 0
        clock.advance(minutes=2)
        home(KHADIJA)
        assert change_data_keys.reasons_to_keep("demo", stolen=False, now=clock()) == [alive]
        assert change_data_keys.reasons_to_keep("demo", stolen=True, now=clock()) == []
        clock.advance(hours=13)
        assert change_data_keys.reasons_to_keep("demo", stolen=False, now=clock()) == []
        assert change_data_keys.retire("demo", now=clock())
        assert not change_data_keys.activate("demo", now=clock())
        newer = home(KHADIJA)
    with node(*AFTER):
        assert look() == "" and newer.signed_in and not inside.signed_in
        assert Visitor().sign_in(JAMAL.login, JAMAL.password).signed_in
        assert people.contacts.matching(facts(FATIMA).id, "phone", FATIMA_PHONE, clock())


def test_a_value_is_found_on_other_accounts_whichever_key_it_stands_under(cast, clock):
    def others() -> int:
        return people.contacts.accounts_with("phone", FATIMA_PHONE, besides=0, now=clock())

    with node(*BOTH):
        before = others()
        assert before
        turn_to_k2(clock)
        assert others() == before
        reseal()
        assert others() == before


def test_a_new_key_gives_nobody_fresh_tries(cast, clock):
    limit = limits.rate_limits.CODE_ACCOUNT
    with node(*OLD):
        assert limits.consume([limit.bucket("somebody", units=limit.burst)], now=clock()) is None
    for keys in (BOTH, TURNED):
        with node(*keys):
            assert limits.consume([limit.bucket("somebody")], now=clock())
            look()
            change_data_keys.activate("k2", now=clock())
            look()
            assert limits.consume([limit.bucket("somebody")], now=clock())


def test_a_browser_that_asked_before_is_known_after(cast, post, clock):
    """And a request of a site that was saved under the old key is found."""
    with node(*BOTH):
        asker = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
        secret, saved = post.secret(FATIMA_PHONE), {"protocol": "saml"}
        ref = sites.saved_requests.save(saved, now=clock())
        turn_to_k2(clock)
        assert sites.saved_requests.read(ref, now=clock()) == saved
        asker.sign_in(FATIMA.login, secret)
        assert TemporaryPassword.objects.get().tries == 0, "a try of the browser that asked, not of a stranger"


def test_a_request_under_a_key_that_a_worker_lacks_is_answered_when_the_key_comes(cast, post, clock, settings):
    """A worker of before, that does not follow the database: what it can't open stays, and costs no try."""
    with node(*BOTH):
        turn_to_k2(clock)
        Visitor().ask(FATIMA.login, phone=FATIMA.phone)
        delivery.outbox.put(
            purpose="notice", channel="email", language="fr", person_id=1, to="a@example.org", values={}, now=clock(),
            within=timedelta(hours=1),
        )  # fmt: skip
    with alone():
        for _ in range(12):
            post.work()
            clock.advance(seconds=16)
        request, message = RecoveryRequest.objects.get(), Message.objects.get()
        assert (request.state, request.tries, request.reason) == ("claimed", 0, delivery.outbox.KEY_MISSING)
        assert (message.state, message.attempts, message.reason) == ("queued", 0, delivery.outbox.KEY_MISSING)
        keyring.state.write_unopened(now=clock())
        [alarm] = [one for one in watch_messages.Overview(now=clock()).alarms if one.id == "undecryptable"]
        assert alarm.about == ("delivery_message", "delivery_recoveryrequest")
    with node(*TURNED):
        assert secrets(post, FATIMA_PHONE) and RecoveryRequest.objects.get().state == "done"


def test_a_message_whose_key_never_comes_ends_at_its_time(cast, post, clock):
    with node(*BOTH):
        turn_to_k2(clock)
        delivery.outbox.put(
            purpose="notice", channel="email", language="fr", person_id=1, to="a@example.org", values={}, now=clock(),
            within=timedelta(minutes=5),
        )  # fmt: skip
    with alone():
        clock.advance(minutes=6)
        post.work()
        assert Message.objects.get().state == "expired"


def test_a_node_without_the_key_serves_nobody_and_takes_nothing(cast, post, clock):
    """It answers 503 where it would have said that the password is wrong; a proxy sees it at /healthz."""
    with node(*OLD):
        inside = home(JAMAL)
        with node(*TURNED):
            turn_to_k2(clock)
            Visitor().ask(FATIMA.login, phone=FATIMA.phone)
        look()
        for path in ("/healthz", "/readyz", "/profile/"):
            assert inside.get(path).page.status_code == 503, path
        stranger = Visitor().sign_in(JAMAL.login, JAMAL.password)
        assert stranger.page.status_code == 503
        with pytest.raises(encryption.KeyMissing):
            post.worker.turn()
        assert RecoveryRequest.objects.get().state == "waiting"
        keyring.state.beat("web", now=clock())
    with node(*BOTH):
        assert "key-missing" in {one.id for one in watch_messages.Overview(now=clock()).alarms}
        assert inside.get("/healthz").page.status_code == 200 and inside.signed_in


@pytest.fixture
def from_before(cast, clock):
    """A database that knows no keys yet. Jamal's and Khadija's rows stand under k2; Fatima's password and her request,
    the smaller part, under the demo's key."""
    with node(*BOTH):
        turn_to_k2(clock)
        assert reseal() == []
        assert change_data_keys.activate("demo", now=clock()) and look() == ""
        credentials.passwords.save(facts(FATIMA).id, credentials.passwords.hash_password(NEW), now=clock())
        Visitor().ask(FATIMA.login, phone=FATIMA.phone)
        assert 0 < under("demo") < under("k2")
    sql.execute("DELETE FROM keyring_datakey")
    sql.execute("DELETE FROM keyring_lastingkey")


def test_a_first_node_that_lacks_the_key_of_few_rows_loses_none_and_shuts_nobody_else_out(from_before, post, clock):
    rows = under("demo")
    with node(*AFTER):
        assert change_data_keys.judged() == change_data_keys.trouble() == ""
        [told] = check._data_keys()
        assert told.startswith(f"{rows} row(s) stand under the key demo, which is not in MASSAR_DATA_KEYS: ")
        assert Visitor().sign_in(JAMAL.login, JAMAL.password).signed_in
        assert Visitor().sign_in(FATIMA.login, NEW).page.status_code == 503, "not: the password is wrong"
        post.work()
        assert RecoveryRequest.objects.get().state == "claimed" and change_data_keys.old_keys() == []
    clock.advance(seconds=30)
    with node(*BOTH):
        assert change_data_keys.trouble() == ""
        assert Visitor().sign_in(FATIMA.login, NEW).signed_in and secrets(post, FATIMA_PHONE)
    with node(*AFTER):
        assert change_data_keys.trouble() == "", "that another node has it shuts nobody out here"
        assert (
            "is not in MASSAR_DATA_KEYS here" in change_data_keys.reasons_to_keep("demo", stolen=False, now=clock())[0]
        )
    with node(*BOTH):
        assert change_data_keys.reasons_to_keep("demo", stolen=False, now=clock()) != []
        assert change_data_keys.old_keys() == ["demo"] and reseal() == [] and under("demo") == 0
        assert change_data_keys.reasons_to_keep("demo", stolen=False, now=clock()) == []
        assert change_data_keys.retire("demo", now=clock())
    with node(*AFTER):
        assert change_data_keys.trouble() == "" and Visitor().sign_in(FATIMA.login, NEW).signed_in


def test_rows_whose_key_nobody_has_any_more_are_given_up_by_command(from_before, post, clock):
    with node(*AFTER):
        assert change_data_keys.trouble() == "" and change_data_keys.rows_out_of_reach()
        assert change_data_keys.reasons_to_keep("demo", stolen=False, now=clock()) == []
        assert change_data_keys.retire("demo", now=clock()) and look() == ""
        assert (
            check._data_keys() == [] and change_data_keys.rows_out_of_reach() == {} and change_data_keys.trouble() == ""
        )
        assert Visitor().sign_in(FATIMA.login, NEW).page.status_code == 422


def test_a_first_node_that_lacks_the_key_of_most_rows_does_not_start(from_before):
    with node(*OLD):
        told = "MASSAR_DATA_KEYS lacks the key k2, under which most of the database stands: "
        assert change_data_keys.judged() == change_data_keys.trouble() and change_data_keys.judged().startswith(told)
        assert keyring.state.known_keys() == ()
    with node("k3"):
        assert change_data_keys.trouble().startswith("MASSAR_DATA_KEYS opens nothing of what the database holds: ")


def spoil(model, column: str, pk: object) -> None:
    """Change one row as somebody without the key can: its last byte."""
    value = bytes(model.objects.values_list(column, flat=True).get(pk=pk))
    model.objects.filter(pk=pk).update(**{column: value[:-1] + bytes([value[-1] ^ 1])})


def test_atk_142_a_row_that_was_changed_or_swapped_begins_an_alarm_and_is_named(cast, post, clock, caplog):
    jamal, fatima = facts(JAMAL).id, facts(FATIMA).id
    contact = Contact.objects.get(person_id=fatima).pk
    with node(*OLD), caplog.at_level(logging.ERROR, "massar.keys"):
        Visitor().ask(FATIMA.login, phone=FATIMA.phone)
        post.secret(FATIMA_PHONE)
        swapped = Password.objects.get(person_id=facts(KHADIJA).id).ciphertext
        Password.objects.filter(pk=jamal).update(ciphertext=swapped)
        assert shows(Visitor().sign_in(JAMAL.login, JAMAL.password), "problem.wrong")
        spoil(Contact, "value_ciphertext", contact)
        Visitor().ask(FATIMA.login, phone=FATIMA.phone)
        post.work()
        assert keyring.state.unopened(since=clock()) == [], "who asks pays for no statement"
        keyring.state.beat("web", now=clock())
        rows = {row for row, _ in keyring.state.unopened(since=clock())}
        assert rows == {f"credentials_password of person {jamal}", f"people_contact {contact}"}
        lines = [log.JsonLines().format(record) for record in caplog.records if record.name == "massar.keys"]
        assert len(lines) == 2 and all(any(row in line for line in lines) for row in rows)
        [alarm] = [one for one in watch_messages.Overview(now=clock()).alarms if one.id == "undecryptable"]
        assert alarm.about == ("credentials_password", "people_contact")
        assert FATIMA.phone[-6:] not in "".join(lines)


def test_a_row_that_was_changed_is_named_by_reseal_and_holds_nothing_up(cast, clock):
    contact = Contact.objects.get(person_id=facts(FATIMA).id).pk
    with node(*BOTH):
        look()
        spoil(Contact, "value_ciphertext", contact)
        turn_to_k2(clock)
        assert reseal() == [f"people_contact {contact}"] and under("demo") == 1
        clock.advance(minutes=2)
        assert change_data_keys.reasons_to_keep("demo", stolen=False, now=clock()) == []


class Killed(BaseException):
    """What nothing in the program may catch."""


def test_reseal_may_be_killed_at_any_batch_and_goes_on(cast, clock, monkeypatch):
    monkeypatch.setattr(keyring.rows, "BATCH", 3)
    with node(*BOTH):
        turn_to_k2(clock)
        left = [under("demo")]
        assert left[0] > 20
        for batches in (1, 2, 5):
            seen = []

            def kill(progress, batches=batches, seen=seen):
                seen.append(progress)
                if len(seen) == batches:
                    raise Killed

            with pytest.raises(Killed):
                change_data_keys.reseal(say=kill)
            left.append(under("demo"))
        assert left == sorted(set(left), reverse=True), "each time there is less"
        assert reseal() == [] and under("demo") == 0
        assert Visitor().sign_in(KHADIJA.login, KHADIJA.password).signed_in


def test_atk_143_no_key_stands_in_the_database(cast, clock):
    """The database's word on keys tells which they are, and nothing of them; lasting keys open under data keys only."""
    with node(*BOTH):
        turn_to_k2(clock)
        reseal()
        own, stored = dict(settings.MASSAR.data_keys), everything_stored()
        lasting = encryption.Keyring((("demo", own["demo"]),)).lasting_key("limit")
        for secret in (*own.values(), lasting):
            assert not [form for form in (secret, secret.hex().encode()) if form in stored]
