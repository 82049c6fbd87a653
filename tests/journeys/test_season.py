"""Season mode: what waits longer, what pages say, and that it ends by itself."""

from datetime import timedelta

import pytest

from massar.domain.campaigns.api import Kind, Plan
from massar.domain.delivery import api as delivery
from massar.domain.delivery.models import Breaker, Message, RecoveryRequest
from massar.interfaces.commands import main as program
from massar.interfaces.commands import season as command
from massar.journeys import season
from massar.journeys.account import recover_password
from massar.journeys.campaigns import carry_out, manage
from massar.journeys.outcomes import Done, Problem
from tests.cast import FATIMA, FATIMA_PHONE, YOUSSEF, YOUSSEF_EMAIL, facts
from tests.support.captured import captured
from tests.support.steps import shows
from tests.support.visitor import Visitor

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def in_season(clock, cast):
    assert season.order(clock() + timedelta(hours=6), by=None, now=clock()) == Done()


def test_it_ends_by_itself_and_is_no_longer_than_a_week(cast, clock):
    assert season.look(now=clock()) == season.CALM
    week = clock() + timedelta(days=7)
    assert season.order(week + timedelta(seconds=1), by=None, now=clock()) == Problem("season_until", {"days": 7})
    assert season.order(clock(), by=None, now=clock()) == Problem("season_until", {"days": 7})
    season.order(clock() + timedelta(hours=1), by=None, now=clock())
    assert season.current(clock()).until
    clock.advance(hours=1)
    assert season.current(clock()) == season.CALM == season.look(now=clock())


def test_a_clock_that_was_ahead_leaves_no_season(cast, clock):
    season.order(clock() + timedelta(days=7), by=None, now=clock())
    assert season.look(now=clock() - timedelta(days=30)) == season.CALM


def test_no_page_asks_the_database_for_it(in_season, clock):
    with captured(perhaps_nothing=True) as statements:
        page = Visitor().get("/sign-in/")
    assert shows(page, "season.sign_in")
    assert not any("season" in one for one in statements)


def test_whoever_asks_is_told_how_long_it_takes(in_season, clock, post):
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    clock.advance(minutes=7, seconds=1)
    assert season.look(now=clock()).minutes == 8
    page = Visitor().get("/recovery/")
    assert "8 دقائق" in page.html
    assert "8 دقائق" in page.ask(FATIMA.login, phone=FATIMA.phone).html
    post.work()
    assert not season.look(now=clock()).long
    assert shows(Visitor().get("/recovery/"), "season.recovery_soon")


def test_a_request_waits_for_hours_and_not_longer(in_season, clock, post):
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    clock.advance(hours=2, minutes=59)
    season.look(now=clock())
    assert post.secret(YOUSSEF_EMAIL)
    Visitor().ask(YOUSSEF.login, email=YOUSSEF_EMAIL)
    before = Message.objects.count()
    season.order(None, by=None, now=clock())
    clock.advance(minutes=46)
    post.worker.answer()
    assert Message.objects.count() == before and not RecoveryRequest.objects.filter(state="waiting").exists()


@pytest.mark.parametrize(("channel", "minutes"), [("email", 240), ("sms", 20)])
def test_secrets_live_longer_while_the_queue_is_long(in_season, clock, post, channel, minutes):
    usual = {"email": 60, "sms": 10}[channel]
    assert season.lifetime(channel, clock()) == timedelta(minutes=usual), "a short queue"
    contact = {"email": YOUSSEF_EMAIL} if channel == "email" else {"phone": FATIMA.phone}
    Visitor().ask((YOUSSEF if channel == "email" else FATIMA).login, **contact)
    clock.advance(minutes=3)
    season.look(now=clock())
    asked = Visitor().ask(YOUSSEF.login, **contact)
    assert f"{minutes} دقيقة" in asked.html, "the page says so too"
    post.secret(YOUSSEF_EMAIL if channel == "email" else FATIMA_PHONE)
    message = Message.objects.filter(purpose="temporary_password").first()
    assert message.expires_at == clock() + timedelta(minutes=minutes)


def test_while_no_sms_leaves_the_page_says_so(in_season, clock, settings, monkeypatch):
    monkeypatch.setattr(type(settings.MASSAR), "provider_channels", {"gateway": "sms"})
    assert not season.look(now=clock()).sms_late
    Breaker.objects.create(provider="gateway", state="open", changed_at=clock(), until=clock() + timedelta(minutes=1))
    assert season.look(now=clock()).sms_late
    assert shows(Visitor().get("/recovery/"), "season.sms_late")


def test_campaigns_rest(in_season, clock):
    campaign = manage.make(Plan(Kind.CONTACTS, "x"), by=None, now=clock())
    assert isinstance(campaign, int) and carry_out.turn(price=0, now=clock()) == 0
    season.order(None, by=None, now=clock())
    assert carry_out.turn(price=0, now=clock()) > 0


def test_the_switch_by_command(cast, clock, capsys):
    def massar(*arguments: str) -> int:
        return command.run(program.build_parser().parse_args(arguments))

    assert massar("season", "on", "--until", (clock() + timedelta(hours=2)).isoformat()) == 0
    assert massar("season", "show") == massar("season", "off") == massar("season", "show") == 0
    assert massar("season", "on", "--until", "2020-01-01T00:00") == 1
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("Season mode: on until 2026") and told[-2:] == ["Season mode: off.", "Season mode: off"]


def test_without_a_season_nothing_is_longer(cast, clock):
    assert season.queue_longest(clock()) == timedelta(minutes=45)
    assert recover_password.longest("email", clock()) == timedelta(minutes=165)
    assert facts(YOUSSEF) and delivery.requests.oldest_waiting() is None
