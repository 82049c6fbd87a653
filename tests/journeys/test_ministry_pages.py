"""The pages for the whole country: who finds them, and a campaign and a season led through them."""

import dataclasses
from datetime import timedelta

import pytest

from massar.core.audit import api as audit_log
from massar.domain.campaigns import api as campaigns
from massar.domain.campaigns.api import State
from massar.domain.credentials.models import Password
from massar.domain.delivery import api as delivery
from massar.domain.sites import registry
from massar.interfaces.base import addresses, site_trials
from massar.interfaces.desk import sites as site_pages
from massar.journeys import season
from massar.journeys.campaigns import carry_out, manage
from massar.journeys.messages import sms_budget
from massar.journeys.sso import see_sites
from tests.cast import FATIMA, JAMAL, KHADIJA, SALMA, YOUSSEF, facts
from tests.support.desk import Role, appoint, at_desk, plant, prove_factor
from tests.support.steps import home, shows

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
PAGES = (
    "/desk/campaigns/",
    "/desk/campaigns/new/",
    "/desk/campaigns/1/",
    "/desk/season/",
    "/desk/sites/",
    "/desk/sites/table/",
)


@pytest.fixture
def branches(cast, clock):
    plant()


def at_ministry(person, clock):
    appoint(person, Role.MINISTRY_DESK, "M", now=clock())
    return at_desk(person, now=clock())


def turn(clock) -> None:
    while carry_out.turn(price=250, now=clock()):
        pass


def draft(visitor, **typed):
    return visitor.get("/desk/campaigns/new/").submit("/desk/campaigns/new/", name="Before results", **typed)


def newest():
    return campaigns.store.newest()[0]


def act(visitor, what: str, **typed):
    one = newest().id
    return visitor.get(f"/desk/campaigns/{one}/").submit(f"/desk/campaigns/{one}/{what}/", **typed)


def test_they_exist_for_the_ministry_and_operators_alone(branches, clock):
    manage.make(campaigns.Plan(campaigns.Kind.CONTACTS, "x"), by=None, now=clock())
    one = newest().id
    appoint(YOUSSEF, Role.DIRECTORATE_DESK, "D07", now=clock())
    for visitor in (home(FATIMA), at_desk(YOUSSEF, now=clock())):
        for path in PAGES:
            assert visitor.get(path.replace("1", str(one))).page.status_code == 404
    for visitor in (at_ministry(JAMAL, clock), prove_factor(home(SALMA), SALMA, now=clock())):
        for path in PAGES:
            assert visitor.get(path.replace("1", str(one))).page.status_code == 200
    assert visitor.get("/desk/campaigns/987/").page.status_code == 404


def test_an_operator_proves_a_factor_first(branches, clock):
    assert home(SALMA).get("/desk/campaigns/").path == "/profile/security/"


def test_a_campaign_from_the_form_to_its_end(branches, clock, monkeypatch):
    monkeypatch.setattr(manage, "FOUR_EYES_ABOVE", 2)
    clock.advance(minutes=1)
    jamal = draft(at_ministry(JAMAL, clock), kind="change", why="rules")
    assert shows(jamal, "campaign.state.counting", "fr") or shows(jamal, "campaign.state.counting")
    turn(clock)
    act(jamal, "confirm", number="99999")
    assert jamal.page.status_code == 422 and newest().state == State.COUNTED
    act(jamal, "confirm", number=str(newest().people))
    assert newest().state == State.CONFIRMED
    assert not any(action.endswith("/approve/") for action in _actions(jamal)), "not one's own"
    khadija = at_ministry(KHADIJA, clock)
    act(khadija, "approve")
    assert newest().state == State.RUNNING and newest().approved_by == facts(KHADIJA).id
    assert not Password.objects.exclude(due_for=None).exists()
    act(jamal, "stop")
    turn(clock)
    assert newest().state == State.STOPPED and not Password.objects.exclude(due_for=None).exists()
    act(jamal, "resume")
    for _ in range(4):
        turn(clock)
        clock.advance(seconds=30)
    assert newest().state == State.DONE and Password.objects.filter(due_for=newest().id).count() == newest().people
    jamal.get(f"/desk/campaigns/{newest().id}/")
    act(jamal, "cancel")
    assert not Password.objects.exclude(due_for=None).exists()
    assert jamal.get("/desk/campaigns/").page.status_code == 200


def _actions(visitor) -> list[str]:
    return [part.split('"')[0] for part in visitor.html.split('action="')[1:]]


def test_what_holds_a_campaign_is_said(branches, clock, monkeypatch):
    jamal = draft(at_ministry(JAMAL, clock), kind="contacts")
    turn(clock)
    monkeypatch.setattr(sms_budget, "room_for_campaigns", lambda now: 0)
    act(jamal, "confirm", number=str(newest().people))
    assert newest().state == State.RUNNING and shows(jamal, "campaign.held.budget")
    monkeypatch.setattr(carry_out, "MOST_WAITING", 0)
    assert shows(jamal.get(f"/desk/campaigns/{newest().id}/"), "campaign.held.queue")
    season.order(clock() + timedelta(hours=1), by=None, now=clock())
    assert shows(jamal.get(f"/desk/campaigns/{newest().id}/"), "campaign.held.season")
    act(jamal, "stop")
    assert not shows(jamal, "campaign.held.season"), "it stands by order"


def test_the_form_says_what_is_wrong(branches, clock):
    jamal = at_ministry(JAMAL, clock)
    wrong = {"unit": "NONE", "pace": "1", "day": "2020-01-01", "listed": "nobody@taalim.ma"}
    for field, typed in wrong.items():
        draft(jamal, **{field: typed})
        assert jamal.page.status_code == 422 and "has-error" in jamal.html
    draft(jamal, listed=f"{YOUSSEF.login}\r\n{FATIMA.login}")
    assert newest().listed and newest().last == max(facts(YOUSSEF).id, facts(FATIMA).id)


def test_what_can_not_be_done_is_said_and_not_done(branches, clock):
    jamal = draft(at_ministry(JAMAL, clock))
    turn(clock)
    page = jamal.get(f"/desk/campaigns/{newest().id}/")
    manage.cancel(newest().id, by=None, now=clock())
    page.submit(f"/desk/campaigns/{newest().id}/count/")
    assert newest().state == State.CANCELLED
    token, nothing = page.get("/desk/campaigns/new/").token, f"/desk/campaigns/{newest().id}/nothing/"
    assert jamal.client.post(nothing, {"csrfmiddlewaretoken": token}).status_code == 404


def test_the_season_is_switched_on_and_off(branches, clock):
    jamal = at_ministry(JAMAL, clock)
    tomorrow = (clock() + timedelta(days=1)).date()
    jamal.get("/desk/season/").submit("/desk/season/", day=tomorrow.isoformat(), hour="03:00")
    assert season.current(clock()).until == clock().replace(hour=3, minute=0) + timedelta(days=1)
    assert shows(jamal, "season.end")
    jamal.submit("/desk/season/")
    assert season.current(clock()) == season.CALM
    jamal.submit("/desk/season/", day="2020-01-01", hour="03:00")
    assert jamal.page.status_code == 422


# -- sites

OIDC = {"protocol": "oidc", "client_id": "messagerie", "redirect_uris": ["https://mail.example.ma/cb"]}


def registered():
    found, mistakes = registry.read({"messagerie": {**OIDC, "client_secret": registry.hashed_secret("x")}}, {})
    assert mistakes == []
    return found


def test_what_stands_in_the_file_is_seen_with_who_entered_and_who_did_not(branches, clock, settings):
    settings.MASSAR = dataclasses.replace(settings.MASSAR, sites=registered())
    audit_log.record_event("site_entered", now=clock(), person_id=facts(JAMAL).id, outcome="messagerie")
    for _ in range(2):
        audit_log.record_event(
            "site_refused", now=clock(), person_id=facts(JAMAL).id, outcome="role", site="messagerie"
        )
    clock.advance(minutes=2)
    audit_log.flush(now=clock())
    (mail,) = [one for one in see_sites.look(now=clock()).sites if one.site.slug == "messagerie"]
    assert (mail.entered, mail.refused) == (1, {"role": 2})
    assert mail.last == clock() - timedelta(minutes=2)
    page = at_ministry(JAMAL, clock).get("/desk/sites/")
    assert shows(page, "sites.refused") and "it won&#39;t hear that somebody signed out" in page.html
    clock.advance(days=1)
    (mail,) = [one for one in see_sites.look(now=clock()).sites if one.site.slug == "messagerie"]
    assert (mail.entered, mail.refused) == (0, {})


def test_a_site_is_tried_from_the_page(branches, clock, settings, monkeypatch):
    settings.MASSAR = dataclasses.replace(settings.MASSAR, sites=registered())
    asked = []

    def ask_site(method, address, form, *, seconds):
        asked.append(address)
        return delivery.NotTransmitted("no such host")

    monkeypatch.setattr(site_trials.site_logout, "ask_site", ask_site)
    page = at_ministry(JAMAL, clock).get("/desk/sites/").submit("/desk/sites/messagerie/try/")
    assert asked == ["https://mail.example.ma/cb"] and "answers nothing: no such host" in page.html


def test_a_trial_is_over_in_ten_seconds_and_few_run_at_once(branches, clock, settings, monkeypatch):
    """A thread of the process waits for it, and the site may be as slow as it likes."""
    uris = tuple(f"https://mail.example.ma/cb{n}" for n in range(3))
    slow = dataclasses.replace(registered().by_slug["messagerie"], redirect_uris=uris)
    settings.MASSAR = dataclasses.replace(settings.MASSAR, sites=registry.Registry([slow]))
    asked, moment = [], [1000.0]

    def ask_site(method, address, form, *, seconds):
        asked.append((address, seconds))
        moment[0] += 7
        return delivery.OutcomeUnknown("no answer in time")

    monkeypatch.setattr(site_trials.site_logout, "ask_site", ask_site)
    monkeypatch.setattr(site_pages, "monotonic", lambda: moment[0])
    jamal = at_ministry(JAMAL, clock).get("/desk/sites/").submit("/desk/sites/messagerie/try/")
    assert asked == [(uris[0], 10.0), (uris[1], 3.0)], "the third would be too late"
    assert f"{uris[2]} answers nothing: no time was left" in jamal.html
    with site_pages.TRIALS, site_pages.TRIALS:
        jamal.get("/desk/sites/").submit("/desk/sites/messagerie/try/")
        assert len(asked) == 2 and shows(jamal, "flash.sites_busy")
    assert site_trials.site_logout.within(8.0).longest == timedelta(seconds=8)


def test_a_table_is_written_and_holds_no_secret(branches, clock):
    jamal = at_ministry(JAMAL, clock).get("/desk/sites/table/")
    jamal.submit("/desk/sites/table/", slug="retraite", redirect_uris="https://r.example.ma/cb")
    assert "[sites.retraite]" in jamal.html and "client_secret = &#34;&#34;" in jamal.html
    for typed in ({"slug": "Bad name"}, {"slug": "empty"}, {"slug": "broken", "metadata": "<x"}):
        assert jamal.get("/desk/sites/table/").submit("/desk/sites/table/", **typed).page.status_code == 422


@pytest.mark.parametrize("path", [*PAGES, "/desk/figures/?unit=D07"])
def test_whoever_proves_a_factor_first_comes_back_to_the_page(path):
    """And not to the desk, from where an operator goes on to messages."""
    assert addresses.own_page(path) == path
