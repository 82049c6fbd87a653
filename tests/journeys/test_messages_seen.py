"""Messages as their owner sees them on the devices page, and as operators see all of them."""

import logging
import re
import threading
from datetime import timedelta

import pytest

from massar.domain.delivery.models import Breaker, Message
from massar.domain.sessions.models import Session
from massar.interfaces.demo.cast import FATIMA, JAMAL, KHADIJA, SALMA
from tests.cast import FATIMA_PHONE, KHADIJA_EMAIL, facts
from tests.support.outbox import message, shut
from tests.support.steps import shown, shows
from tests.support.visitor import Visitor

PAGE = "/desk/messages/"


# -- the devices page


def signed_in(person) -> Visitor:
    return Visitor().sign_in(person.login, person.password)


def test_the_owner_sees_what_left_and_what_arrived(cast, post, clock):
    Visitor().ask(FATIMA.login, phone="0661000222")
    clock.advance(seconds=7)
    post.secret(FATIMA_PHONE)
    sent = Message.objects.get()
    Message.objects.update(state="delivered", delivered_at=clock() + timedelta(minutes=1))
    page = signed_in(FATIMA).get("/devices/")
    assert shows(page, "message.purpose.temporary_password") and shows(page, "message.state.delivered")
    assert sent.masked in shown(page) and FATIMA_PHONE not in page.html and "0661000222" not in page.html
    assert shows(page, "message.submitted_at") and shows(page, "message.delivered_at")
    assert "02:55" in shown(page) and "02:56" in shown(page)


def test_nobody_sees_the_messages_of_somebody_else(cast, post):
    Visitor().ask(KHADIJA.login, email=KHADIJA_EMAIL)
    post.secret(KHADIJA_EMAIL)
    page = signed_in(JAMAL).get("/devices/")
    assert shows(page, "message.about.new_device") and not shows(page, "message.purpose.temporary_password")
    assert shows(signed_in(KHADIJA).get("/devices/"), "message.purpose.temporary_password")


def test_each_state_has_its_word(cast, clock):
    page = signed_in(JAMAL)
    one = message(clock(), person_id=facts(JAMAL).id, purpose="contact_code", masked="0•• 12")
    for state in ("queued", "sending", "awaiting_receipt", "submitted", "failed", "expired", "cancelled"):
        Message.objects.filter(pk=one.pk).update(state=state)
        word = {"sending": "queued", "awaiting_receipt": "submitted"}.get(state, state)
        page.get("/devices/")
        assert shows(page, f"message.state.{word}") and shows(page, "message.purpose.contact_code"), state
        assert shows(page, "message.created_at")


def test_a_letter_that_came_back_is_told_as_such_with_what_to_do(cast, clock):
    message(clock(), person_id=facts(JAMAL).id, waited=1, channel="email", reason="returned: 5.1.1", masked="j•••@e•••")
    page = signed_in(JAMAL).get("/devices/")
    assert shows(page, "message.state.returned") and not shows(page, "message.state.submitted")
    assert shows(page, "message.put_right") and page.html.count('href="/profile/"') == 2, "in the menu, and here"


def test_the_newest_ten_of_thirty_days_without_what_sites_were_told(cast, clock):
    mine = {"person_id": facts(JAMAL).id, "purpose": "notice", "waited": 0}
    for day in reversed(range(12)):
        message(clock() - timedelta(days=day), **mine, masked=f"day-{day:02}")
    for channel in ("site", "soap"):
        message(clock(), **mine | {"purpose": "site_logout"}, channel=channel, masked="a-site")
    words = shown(signed_in(JAMAL).get("/devices/"))
    # One of the ten is the notice of this very sign-in.
    assert all(f"day-{day:02}" in words for day in range(9)) and "day-10" not in words and "a-site" not in words


# -- who may see all of it


def bare(answer, path: str) -> str:
    """The page without what differs each time: the form's token and the address it was asked for."""
    return re.sub(r'value="\w{64}"', "", answer.content.decode()).replace(path, "")


def test_only_an_operator_finds_the_desk(cast):
    stranger = Visitor().get(PAGE)
    assert stranger.path == "/sign-in/"
    teacher = signed_in(JAMAL)
    at_the_desk, nowhere = (teacher.get(path).page for path in (PAGE, "/no-such-page"))
    assert at_the_desk.status_code == nowhere.status_code == 404
    assert bare(at_the_desk, PAGE) == bare(nowhere, "/no-such-page")
    operator = signed_in(SALMA)
    assert shows(operator.get(PAGE), "desk.title") and PAGE in operator.get("/").html, "in the menu"
    assert PAGE not in teacher.get("/").html


def test_an_operator_who_was_idle_signs_in_again_whatever_the_page(cast, clock):
    visitor = signed_in(SALMA)
    clock.advance(minutes=14)
    assert shows(visitor.get(PAGE), "desk.title")
    clock.advance(minutes=15)
    assert visitor.get("/").path == "/sign-in/", "another page does not keep it alive for the desk"
    assert visitor.get(PAGE).path == "/sign-in/"
    assert Session.objects.get().ended_why == "privileged"
    teacher = signed_in(JAMAL)
    clock.advance(minutes=16)
    assert teacher.signed_in, "others have their own limit"


def test_an_operator_signs_in_again_after_eight_hours(cast, clock):
    visitor = signed_in(SALMA)
    for _ in range(8 * 6):
        clock.advance(minutes=10)
        visitor.get(PAGE)
    assert visitor.path == "/sign-in/"


# -- what operators see


@pytest.fixture
def traffic(cast, clock):
    now = clock() - timedelta(minutes=9)
    for seconds in (1, 2, 3):
        message(now, waited=seconds, arrived=4, used=60)
    message(now, waited=1, provider="mail", channel="email", purpose="notice")
    message(clock() - timedelta(seconds=65))
    shut("sms-a", clock() - timedelta(minutes=2))
    return clock


@pytest.mark.parametrize("window", ["", "?window=day"])
def test_the_page_shows_alarms_plots_providers_and_the_queue(traffic, window):
    page = signed_in(SALMA).get(PAGE + window)
    assert shows(page, "alarm.provider_open") and "docs/operate/alarms/provider-open.md" in shown(page)
    assert shows(page, "alarm.queue_growing") and shows(page, "desk.breaker.open")
    assert page.html.count('<svg class="drawing"') == page.html.count('<details class="table"') == 4
    assert "style=" not in page.html and "0:01:05" in page.html
    words = " ".join(shown(page).split())
    assert "sms-a" in words and "mail" in words and "100%" in words


def test_a_quiet_page_says_so(cast):
    page = signed_in(SALMA)
    Message.objects.all().delete()  # the notice of this very sign-in
    page.get(PAGE)
    for id in ("desk.no_alarm", "desk.queue.empty", "desk.errors.none", "desk.plot.empty"):
        assert shows(page, id), id
    assert '<svg class="drawing"' not in page.html


def test_the_table_beside_a_plot_holds_its_values(traffic):
    page = signed_in(SALMA).get(PAGE)
    tables = re.findall(r"<tbody>(.*?)</tbody>", page.html, re.DOTALL)
    cells = [re.findall(r'<bdi dir="ltr">([^<]*)</bdi>', table) for table in tables]
    assert cells[0] == ["02:45", "4", "3", "0"], "sent, delivered, late"
    assert cells[1] == ["02:45", "1,00", "3,00", "3,00"], "p50, p95, p99 of all four"
    assert cells[2] == ["02:45", "1,00"], "four times 250 thousandths"
    assert cells[3] == ["02:55", "100", "02:50", "100", "02:45", "100"], "the half hour until then"


def test_that_nothing_is_used_is_drawn_and_not_left_out_and_a_shut_provider_without_traffic_neither(cast, clock):
    message(clock() - timedelta(minutes=1), waited=1)
    shut("sms-b", clock())
    page = signed_in(SALMA).get(PAGE)
    assert "sms-b" in shown(page) and shows(page, "desk.breaker.open")
    assert page.html.count('<svg class="drawing"') == 4 and not shows(page, "desk.plot.empty")
    used = re.findall(r"<tbody>(.*?)</tbody>", page.html, re.DOTALL)[3]
    assert re.findall(r'<bdi dir="ltr">([^<]*)</bdi>', used) == ["02:55", "0", "02:50", "0"]


def test_the_language_switch_comes_back_to_the_same_period(traffic):
    visitor = signed_in(SALMA).get(PAGE + "?window=day")
    visitor.submit("/language/", language="fr")
    assert visitor.path == PAGE and visitor.page.request["QUERY_STRING"] == "window=day"


# -- the worker


def test_the_worker_says_when_an_alarm_begins_and_ends(post, clock, caplog):
    caplog.set_level(logging.INFO, "massar.worker")
    post.work()
    shut("sms-a", clock() - timedelta(minutes=2))
    post.work()
    assert "alarm" not in caplog.text, "it looks every ten seconds"
    clock.advance(seconds=10)
    post.work()
    clock.advance(seconds=10)
    post.work()
    (begun,) = [r for r in caplog.records if "begins" in r.getMessage()]
    assert begun.levelno == logging.WARNING
    assert begun.getMessage() == "alarm provider-open begins (sms-a): see docs/operate/alarms/provider-open.md"
    Breaker.objects.update(state="closed")
    clock.advance(seconds=10)
    post.work()
    (over,) = [r for r in caplog.records if "over" in r.getMessage()]
    assert over.levelno == logging.INFO and over.getMessage() == "alarm provider-open is over"


def test_a_worker_that_comes_back_does_not_miss_itself(post, clock, caplog):
    message(clock() - timedelta(minutes=5), purpose="notice", channel="email")
    post.work()
    assert "worker-missing" not in caplog.text


def test_the_worker_outlives_a_fault_of_ours(post, clock, caplog, monkeypatch):
    worker, over, closed = post.worker, threading.Event(), []
    over.set()
    monkeypatch.setattr("massar.interfaces.commands.worker.close_old_connections", lambda: closed.append(1))
    monkeypatch.setattr(worker, "turn", lambda: {}["a fault of ours"])
    assert worker.turn_or_rest(over) and "a fault in this turn" in caplog.text and closed
    monkeypatch.undo()
    assert not worker.turn_or_rest(over)
