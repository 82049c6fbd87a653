"""A refresh token that comes twice: at once from several threads of a site, or again because an answer was lost."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections

from massar.domain.people import api as people
from massar.domain.sites import api as sites
from massar.domain.sites.models import Grant, Token
from tests.cast import YOUSSEF, facts
from tests.sso.relying_party import STRICT, SUITE, party, refused

pytestmark = [pytest.mark.usefixtures("registered"), pytest.mark.both_databases]
SCOPE = "openid email school offline_access"
WINDOW = timedelta(seconds=sites.grants.REPEAT_WINDOW)


@pytest.fixture
def rp(clock):
    return party(clock, STRICT, scope=SCOPE)


@pytest.fixture
def kept(rp, browser):
    return rp.enter(browser)


def renewed(answer) -> dict:
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_same_successor_and_an_access_token_of_its_own(rp, kept, clock):
    """What a repeat after a lost answer gets; the site may go on with any of the answers."""
    first = renewed(rp.refresh(kept.refresh))
    clock.advance(seconds=WINDOW.total_seconds() - 1)
    again = renewed(rp.refresh(kept.refresh))
    assert refused(party(clock, SUITE).refresh(kept.refresh)), "another site gets nothing and ends nothing"
    assert again["refresh_token"] == first["refresh_token"] != kept.refresh
    assert again["access_token"] != first["access_token"]
    assert rp.userinfo(first["access_token"]).status_code == rp.userinfo(again["access_token"]).status_code == 200
    rp.believed(again["id_token"], None, access=again["access_token"])
    clock.advance(minutes=9)
    token = again["refresh_token"]
    for _ in range(3):
        answers = {renewed(rp.refresh(token))["refresh_token"] for _ in range(3)}
        assert len(answers) == 1 and token not in answers, "a chain may be repeated at each link"
        (token,) = answers


def test_each_repeat_has_the_scope_that_it_asks_for(rp, kept):
    narrow = renewed(rp.refresh(kept.refresh, scope="openid"))
    whole = renewed(rp.refresh(kept.refresh))
    assert (narrow["scope"], whole["scope"]) == ("openid", SCOPE) and narrow["refresh_token"] == whole["refresh_token"]
    told = [rp.userinfo(answer["access_token"]).json() for answer in (narrow, whole)]
    assert "email" not in told[0] and "email" in told[1]


def test_a_repeat_does_not_make_the_window_longer(rp, kept, clock):
    renewed(rp.refresh(kept.refresh))
    for _ in range(2):
        clock.advance(seconds=14)
        renewed(rp.refresh(kept.refresh))
    clock.advance(seconds=2)
    assert refused(rp.refresh(kept.refresh)) and Grant.objects.get().ended_at > 0


ENDS = {
    "signed out": lambda rp, kept, browser: browser.sign_out(),
    "given back": lambda rp, kept, browser: rp.post("revocation_endpoint", token=kept.refresh),
    "disabled": lambda rp, kept, browser: people.directory.disable(facts(YOUSSEF).id),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_has_ended_is_not_called_back_to_life(rp, kept, browser, end):
    first = renewed(rp.refresh(kept.refresh))
    end(rp, kept, browser)
    known = set(Token.objects.values_list("hash"))
    assert refused(rp.refresh(kept.refresh)) and refused(rp.refresh(first["refresh_token"]))
    assert rp.userinfo(first["access_token"]).status_code == 401
    assert set(Token.objects.values_list("hash")) == known, "nothing was issued"


def ciphertext() -> list[bytes]:
    return [bytes(found) for (found,) in Token.objects.exclude(repeat=None).values_list("repeat")]


def test_the_successor_is_encrypted_and_wiped_when_it_is_used_or_the_window_ends(rp, kept, clock):
    second = renewed(rp.refresh(kept.refresh))["refresh_token"]
    before = ciphertext()
    assert len(before) == 1 and second.encode() not in before[0]
    renewed(rp.refresh(second))
    assert len(ciphertext()) == 1 and ciphertext() != before
    sites.grants.sweep(now=int(clock().timestamp()))
    assert len(ciphertext()) == 1 == Token.objects.filter(repeat_until__gt=0).count()
    clock.advance(seconds=WINDOW.total_seconds())
    sites.grants.sweep(now=int(clock().timestamp()))
    assert ciphertext() == [] and not Token.objects.filter(repeat_until__gt=0).exists()


def test_what_was_moved_from_another_row_does_not_open(rp, kept, browser):
    other = rp.enter(browser)
    mine, theirs = (renewed(rp.refresh(token))["refresh_token"] for token in (kept.refresh, other.refresh))
    rows = {token: Token.objects.get(hash=sites.grants.hash_token(token)) for token in (mine, theirs)}
    Token.objects.filter(hash=rows[mine].hash).update(repeat=rows[theirs].repeat)
    assert refused(rp.refresh(kept.refresh))
    assert renewed(rp.refresh(other.refresh))["refresh_token"] == theirs


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("times", [2, 24])
def test_all_who_ask_at_once_get_one_successor(transactional_db, rp, kept, times):
    rp.metadata, rp.keys()
    together = threading.Barrier(times)

    def once(_):
        try:
            together.wait(30)
            return rp.refresh(kept.refresh)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        answers = [renewed(answer) for answer in pool.map(once, range(times))]
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert len({answer["access_token"] for answer in answers}) == times
    assert {rp.userinfo(answer["access_token"]).status_code for answer in answers} == {200}
    assert Grant.objects.get().ended_at == 0 and Token.objects.filter(kind="refresh").count() == 2
    renewed(rp.refresh(answers[0]["refresh_token"]))
