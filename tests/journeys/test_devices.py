"""Where one is signed in: when, how, from where; ending one or all; and one's own last activity."""

import re
from itertools import pairwise

import pytest
from django.db import transaction

from massar.core.browser import Browser
from massar.domain.delivery import wording
from massar.domain.sessions import api as sessions
from massar.domain.sessions.models import Session
from massar.journeys.account import notices, see_history
from tests.cast import FATIMA, FATIMA_PHONE, JAMAL, KHADIJA, facts
from tests.support.steps import actions, home, shown, shows
from tests.support.visitor import Visitor

FIREFOX = {"user-agent": "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0"}


def test_the_page_tells_where_when_and_how(cast, clock):
    Visitor(**FIREFOX).sign_in(JAMAL.login, JAMAL.password)
    clock.advance(minutes=5)
    here = home(JAMAL).get("/devices/")
    words = shown(here)
    assert "Firefox · Windows" in words and "Chrome · Android" in words
    assert shows(here, "devices.this_one") and shows(here, "how.password") and "127.0.0.0/24" in words
    assert "15 فبراير 2026" in words and "02:55" in words and "02:00" in words
    assert len(actions(here, "/end/")) == 2


def test_ending_one_ends_it_at_once_and_ending_this_one_is_signing_out(cast, clock):
    there, here = home(JAMAL), home(JAMAL)
    own, other = (one.id for one in sessions.signed_in.of_person(facts(JAMAL).id, now=clock()))
    here.get("/devices/").submit(f"/devices/{other}/end/")
    assert shows(here, "flash.session_ended") and here.signed_in and not there.signed_in
    here.get("/devices/").submit(f"/devices/{own}/end/")
    assert here.path == "/sign-in/" and not here.signed_in


def test_ending_all_keeps_this_one_and_ends_a_half_done_change_too(cast, post):
    thief = Visitor().ask(FATIMA.login, phone=FATIMA.phone)
    thief.sign_in(FATIMA.login, post.secret(FATIMA_PHONE))
    assert thief.path == "/password/expired/"
    others = [home(FATIMA) for _ in range(3)]
    here = home(FATIMA).get("/devices/").submit("/devices/end-all/")
    assert shows(here, "flash.sessions_ended") and here.signed_in
    assert not any(o.signed_in for o in others) and thief.get("/password/change/").path == "/sign-in/"


def test_nobody_ends_the_sessions_of_others(cast):
    victim = home(KHADIJA)
    hers = Session.objects.get(person_id=facts(KHADIJA).id).pk
    thief = home(JAMAL).get("/devices/")
    assert thief.client.post(f"/devices/{hers}/end/", {"csrfmiddlewaretoken": thief.token}).status_code == 303
    assert victim.signed_in
    assert "khadija" not in thief.get("/devices/").html.lower()


def test_what_is_older_folds_away(cast, post, clock):
    """Two devices, three messages and five events are seen at once; the rest is one press away, without scripts.
    That of the events is the history."""
    here, used = home(FATIMA), [FATIMA.password, *(f"Tamarin&604{number}-oued" for number in (1, 2, 3))]
    for current, new in pairwise(used):
        clock.advance(minutes=1)
        here.change(current, new)
        post.work()
    for _ in range(4):
        Visitor().sign_in(FATIMA.login, "Tamarin&6043-oued")
    page = here.get("/devices/")
    folded = re.findall(r'<details class="older">.*?</details>', page.html, re.DOTALL)
    assert len(folded) == 2 and shows(page, "devices.older")
    seen = re.sub(r'<details class="older">.*?</details>', "", page.html, flags=re.DOTALL)
    assert seen.count("/end/") == 2 and folded[0].count("/end/") == 3
    rows = [part.count('<tr role="row"><td') + part.count('<tr role="row">\n        <td') for part in (seen, *folded)]
    assert rows == [3 + 5, 0, 9 - 3]


@pytest.mark.parametrize("event", wording.EVENTS)
def test_a_notice_says_which(cast, post, clock, event):
    """In the list of messages; the subject of the mail and the SMS begin with the event."""
    with transaction.atomic():
        notices.tell(facts(FATIMA), event, now=clock(), browser=Browser())
    mail, texts = post.messages(FATIMA.login, new_devices=True)[-1], post.messages(FATIMA_PHONE)
    page = home(FATIMA).get("/devices/")
    assert shows(page, f"message.about.{event}") and not shows(page, "message.purpose.notice")
    subjects = {
        event: wording.render("notice", language="ar", channel="email", values={"event": event, "when": "x"}).subject
        for event in wording.EVENTS
    }
    assert mail.subject == subjects[event] and len(set(subjects.values())) == len(wording.EVENTS)
    assert all(sms.text.startswith("مسار: ") and len(sms.text) > 30 for sms in texts)
    assert len(texts) == (0 if event in notices.BY_MAIL_ALONE else 1)


def test_the_own_activity_is_listed_newest_first(cast, clock):
    Visitor().sign_in(JAMAL.login, "Wrong*5820-word")
    clock.advance(minutes=1)
    here = home(JAMAL).get("/devices/")
    table = here.html.split("<tbody")[-1]
    assert table.index("02:56") < table.index("02:55"), "newest first"
    assert shows(here, "activity.sign_in_refused") and shows(here, "activity.sign_in")
    assert not shows(home(KHADIJA).get("/devices/"), "activity.sign_in_refused")


def test_atk_089_idle_and_longest_life_are_kept_on_the_server(cast, clock):
    visitor = home(JAMAL)
    for _ in range(24):
        clock.advance(minutes=29)
        assert visitor.signed_in
    clock.advance(minutes=29)
    assert not visitor.signed_in, "twelve hours at most"
    visitor = home(JAMAL)
    clock.advance(minutes=30)
    assert not visitor.signed_in, "half an hour without a click"
    assert sessions.signed_in.of_person(facts(JAMAL).id, now=clock()) == []


def test_the_eleventh_session_ends_the_oldest(cast, clock):
    visitors = [home(JAMAL) for _ in range(11)]
    assert not visitors[0].signed_in and all(v.signed_in for v in visitors[1:])


def test_asks_in_vain_and_refused_tries_bury_nothing(cast, clock, post):
    """Whoever asks with wrong contacts, for one thing and the other, and tries passwords, makes three lines."""
    owner = home(FATIMA)
    for _ in range(25):
        clock.advance(minutes=1)
        Visitor().ask(FATIMA.login, phone="0612345678")
        Visitor().get("/let-in/").submit("/let-in/", user=FATIMA.login, channel="phone", phone="0612345678")
        Visitor().sign_in(FATIMA.login, "Wrong*5820-word")
        post.work()
    lines = see_history.page(person=facts(FATIMA), now=clock()).lines
    times = {line.event.event: line.times for line in lines[:3]}
    assert times == {"recovery_asked": 25, "vouching_asked": 25, "sign_in_refused": times["sign_in_refused"]}
    assert (lines[3].event.event, times["sign_in_refused"] >= 25) == ("sign_in", True)
    assert "25 مرة، دون إرسال أي رسالة" in shown(owner.get("/devices/history/"))
