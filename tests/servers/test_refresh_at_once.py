"""A site whose six pages load at once renews six times, on six connections; one whose answer was lost asks again."""

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode, urlsplit

import pytest

from tests.servers import oidc_steps
from tests.servers.sites import SECRETS
from tests.servers.surfer import Surfer

CALLERS = 6


def asked(account, **fields: str) -> http.client.HTTPConnection:
    """A connection on which a token request is under way."""
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(account.url).port, timeout=30)
    body = urlencode({"client_id": "node", "client_secret": SECRETS["node"], **fields})
    headers = {"Host": urlsplit(account.url).netloc, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/token", body, headers)
    return connection


def heard(connection: http.client.HTTPConnection) -> dict:
    answer = connection.getresponse()
    said = json.loads(answer.read())
    connection.close()
    assert answer.status == 200, said
    return said


def renewed(account, token: str) -> dict:
    return heard(asked(account, grant_type="refresh_token", refresh_token=token))


@pytest.fixture
def token(account, layout, surfer) -> str:
    """A refresh token."""
    account.sign_in(surfer)
    return oidc_steps.tokens(account, layout, surfer, "node", "openid offline_access")["refresh_token"]


def test_six_at_once_get_one_successor(account, token):
    for _ in range(3):
        together = threading.Barrier(CALLERS)

        def once(_, token=token, together=together):
            together.wait(30)
            return renewed(account, token)

        with ThreadPoolExecutor(CALLERS) as pool:
            answers = list(pool.map(once, range(CALLERS)))
        assert len({answer["refresh_token"] for answer in answers}) == 1
        assert len({answer["access_token"] for answer in answers}) == CALLERS
        for answer in answers:
            bearer = {"Authorization": f"Bearer {answer['access_token']}"}
            assert Surfer().ask("GET", f"{account.url}/userinfo", None, **bearer).status == 200
        token = answers[0]["refresh_token"]


def test_whoever_lost_the_answer_asks_again(account, token):
    asked(account, grant_type="refresh_token", refresh_token=token).close()
    after = renewed(account, token)
    assert renewed(account, after["refresh_token"])["access_token"]
