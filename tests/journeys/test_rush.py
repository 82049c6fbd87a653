"""A rush at the sign-in (ATK-067): who waits for a turn at the hash, who is told to come back, what passes beside."""

import asyncio
import io
import re
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massar.domain.credentials import api as credentials
from massar.domain.sessions import api as sessions
from massar.interfaces.base import addresses, cookies, rsgi
from massar.interfaces.base.rush import LATEST, MOST_SPENT, Admission
from massar.interfaces.base.turns import FEWEST, SHARE, SHORTEST_WAIT, THREADS, USUAL_PACE, PlaceInLine, Turns
from tests.cast import JAMAL, STRANGER
from tests.support.steps import shows
from tests.support.visitor import Visitor, forms
from tests.support.words import said

# -- the line


class Ticks:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def line(ticks) -> Turns:
    return Turns(ticks)


def names(line: Turns) -> list[str]:
    """Everybody in the line, as they come to their turn."""
    return [line.take().call for _ in range(len(line))]


def test_atk_067_a_ticket_goes_first_then_a_known_device_then_who_came_first(line):
    for place in (
        PlaceInLine("stranger", "a"), PlaceInLine("known", "b", person=7), PlaceInLine("late ticket", "c", since=20.0),
        PlaceInLine("second stranger", "d"), PlaceInLine("early ticket", "e", since=10.0),
        PlaceInLine("known with a ticket", "f", person=8, since=30.0), PlaceInLine("inside", "g", inside=True),
        PlaceInLine("inside with a ticket", "h", inside=True, since=15.0),
    ):  # fmt: skip
        assert line.join(place) is None
    strangers = ["stranger", "second stranger"]
    tickets = ["known with a ticket", "early ticket", "inside with a ticket", "late ticket"]
    assert names(line) == [*tickets, "known", "inside", *strangers], "anybody may post behind the sign-in"


def test_atk_067_the_line_is_as_long_as_what_is_served_in_time(line, ticks):
    assert line.longest == int(line.longest_wait / USUAL_PACE)
    for number in range(line.longest):
        assert line.join(PlaceInLine(number, f"n{number}")) is None
    assert line.join(PlaceInLine("one more", "x")).call == "one more", "at once, and not when its time is over"
    for _ in range(400):  # turns take twice as long as they did
        line.end()
        ticks.at += 2 * USUAL_PACE
    assert line.pace == pytest.approx(2 * USUAL_PACE) and line.longest == int(line.longest_wait / line.pace)
    for _ in range(400):
        line.end()
        ticks.at += 10.0
    assert line.longest_wait == SHORTEST_WAIT and line.longest == FEWEST, "whatever the database does, a few may wait"


def test_the_pace_is_not_measured_while_nobody_waits(line, ticks):
    for _ in range(10):
        line.end()
        ticks.at += 60.0
    assert line.pace == USUAL_PACE


def test_atk_067_a_known_device_takes_the_place_of_a_stranger(line):
    for number in range(line.longest):
        line.join(PlaceInLine(number, f"n{number}"))
    assert line.join(PlaceInLine("known", "k", person=7)).call == line.longest - 1, "the last of the strangers"
    assert names(line)[0] == "known"


def test_atk_067_one_network_does_not_push_the_others_back(line):
    """It fills what is free, and stands behind everybody else with what is beyond its share: with tickets too."""
    share = line.longest // SHARE
    for number in range(line.longest):
        assert line.join(PlaceInLine(f"flood {number}", "flood", since=1.0 * number if number % 2 else None)) is None
    assert line.join(PlaceInLine("flooding on", "flood", since=0.0)).call.startswith("flood")
    others = [f"other {number}" for number in range(3)]
    assert all(line.join(PlaceInLine(name, name)).call.startswith("flood") for name in others)
    order = names(line)
    assert max(order.index(name) for name in others) <= share + len(others)


def test_atk_067_a_copied_device_cookie_is_worth_three_places(line):
    for number in range(6):
        line.join(PlaceInLine(f"copy {number}", f"n{number}", person=7))
    line.join(PlaceInLine("another", "m", person=8))
    assert names(line) == ["copy 0", "copy 1", "copy 2", "another", "copy 3", "copy 4", "copy 5"]


def test_atk_067_nobody_waits_longer_than_told(line, ticks):
    early, late = PlaceInLine("early"), PlaceInLine("late")
    line.join(early)
    ticks.at += line.longest_wait / 2
    line.join(late)
    ticks.at += line.longest_wait / 2
    assert line.late() == [early] and line.late() == []
    assert line.leave(late) and not line.leave(late) and len(line) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.booleans(), st.integers(0, 9)), max_size=120))
def test_the_line_keeps_its_bounds_and_its_count(came):
    """Whoever comes, leaves or has a turn: the line is bounded, and holds nothing of who has left it."""
    line, waiting = Turns(Ticks()), set()
    for network, person, ticket, then in came:
        place = PlaceInLine(object(), f"n{network}", person, since=1.0 if ticket else None)
        waiting.add(place)
        waiting.discard(line.join(place))
        if then > 7 and waiting:
            waiting.discard(line.take())
        elif then == 7 and line.leave(place):
            waiting.discard(place)
        assert len(line) == len(waiting) <= line.longest
    while waiting:
        waiting.remove(line.take())
    assert not line._held


# -- tickets, and the page


def call(
    *, network: str = "192.0.2.1", body: str = "", path: str = "/sign-in/", language: str = "", **held: str
) -> rsgi.Call:
    """A post as it stands in the line. held: cookies by their short names."""
    kept = {**held, **({"language": language} if language else {})}
    told = {
        "REQUEST_METHOD": "POST", "PATH_INFO": path, "REMOTE_ADDR": network, "SERVER_NAME": "", "SERVER_PORT": "80",
        "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body)),
        "HTTP_COOKIE": "; ".join(f"massar-{name}={value}" for name, value in kept.items()),
        "wsgi.input": io.BytesIO(body.encode()),
    }  # fmt: skip
    return rsgi.Call(told, None, None)


def ticket_of(lines: list[tuple[str, str]]) -> str:
    """The ticket among the lines of an answer's head; "" where its cookie is taken away."""
    [found] = [value for name, value in lines if name == "Set-Cookie" and value.startswith("massar-place=")]
    return re.match(r'massar-place="?([^";]*)', found)[1]


def sent_away(rush: Admission, **how: str) -> tuple:
    return rush.send_away(rush.place(call(**how)))


def test_atk_067_a_ticket_keeps_the_first_moment_and_is_good_once(clock):
    rush, first = Admission(), clock().timestamp()
    ticket = ticket_of(sent_away(rush).headers)
    clock.advance(seconds=40)
    back = rush.place(call(place=ticket))
    assert back.since == first and ticket_of(back.call.cookies) == "", "its cookie goes with the answer"
    assert rush.place(call(place=ticket)).since is None, "a second time it is worth nothing"
    again = ticket_of(rush.send_away(back).headers)
    assert again != ticket and rush.place(call(place=again)).since == first, "who is sent away again loses nothing"


@pytest.mark.parametrize("wrong", ["another network", "too late", "a clock behind", "changed", "of another purpose"])
def test_atk_067_no_other_ticket_is_worth_anything(clock, wrong):
    rush = Admission()
    ticket, network = ticket_of(sent_away(rush).headers), "192.0.2.1"
    if wrong == "another network":
        network = "198.51.100.1"
    elif wrong == "too late":
        clock.advance(minutes=5)
    elif wrong == "a clock behind":
        clock.advance(minutes=-2)
    elif wrong == "changed":
        ticket = ("A" if ticket[0] != "A" else "B") + ticket[1:]
    else:
        response = SimpleNamespace(set_cookie=lambda _, value, *__, **___: setattr(response, "value", value))
        cookies.FLASH.write_signed(response, "flash", ["192.0.2.0/24", 1.0, "x", clock().timestamp()])
        ticket = response.value
    assert rush.place(call(place=ticket, network=network)).since is None


def test_atk_067_collecting_tickets_fills_no_memory(clock, monkeypatch):
    monkeypatch.setattr("massar.interfaces.base.rush.MOST_SPENT", 3)
    rush = Admission()
    for ticket in [ticket_of(sent_away(rush).headers) for _ in range(6)]:
        rush.place(call(place=ticket))
    assert len(rush._spent) == 3 < MOST_SPENT
    clock.advance(minutes=7)
    rush.place(call(place=ticket_of(sent_away(rush).headers)))
    assert len(rush._spent) == 1, "what can come no more is forgotten"


def test_a_known_device_is_known_by_its_cookie(clock):
    device = sessions.devices.remember("", 42, now=clock())
    assert Admission().place(call(devices=f'"{device}"')).person == 42
    assert Admission().place(call(devices=device.replace("42.", "43.", 1))).person == 0, "a forged one is no device"


def test_people_are_told_to_come_back_one_after_the_other(clock):
    """As turns pass; who has come back is expected no more, and who never comes is forgotten."""
    rush = Admission()
    waits = [int(dict(sent_away(rush).headers)["Retry-After"]) for _ in range(400)]
    assert waits[0] == 3 and waits == sorted(waits) and waits[300] == 3 + 300 * USUAL_PACE
    clock.advance(minutes=10)
    assert int(dict(sent_away(rush).headers)["Retry-After"]) <= 4
    tickets = [ticket_of(sent_away(rush).headers) for _ in range(100)]
    for ticket in tickets:
        rush.place(call(place=ticket))
    assert int(dict(sent_away(rush).headers)["Retry-After"]) <= 4
    for _ in range(5000):
        rush._expect(1, clock())
    assert dict(sent_away(rush).headers)["Retry-After"] == str(LATEST)


@pytest.mark.parametrize("language", ["ar", "fr", "en"])
def test_atk_067_the_page_keeps_what_was_typed_but_the_password(clock, language):
    token = "t0" * 32
    body = f"csrfmiddlewaretoken={token}&user=%3Cb%3Ejamal&password=Tamarin%266048-oued"
    away = sent_away(Admission(), body=body, language=language)
    html, head = away.body.decode(), dict(away.headers)
    assert away.status == 503 and head["Retry-After"] == "3" and head["Cache-Control"] == "no-store"
    assert "Content-Security-Policy" in head and head["Content-Language"] == language
    assert said(language, "come_back.title") in html and said(language, "come_back.place") in html
    [form] = [fields for action, fields in forms(html) if action == "/sign-in/"]
    assert form == {"csrfmiddlewaretoken": token, "user": "<b>jamal", "password": ""}
    assert "Tamarin" not in html and "<b>jamal" not in html and "slot" not in html
    assert "http-equiv" not in html and "Refresh" not in head, "nothing is posted again by itself"


def test_atk_067_a_challenge_that_was_met_need_not_be_met_again(clock):
    html = sent_away(Admission(), body="csrfmiddlewaretoken=x&challenge=c2VhbGVk&solution=0af3").body.decode()
    [form] = [fields for action, fields in forms(html) if action == "/sign-in/"]
    assert form == {"csrfmiddlewaretoken": "", "challenge": "c2VhbGVk", "solution": "0af3"}


MARKS = "user=%22%3E%3Cscript%3E&challenge=%22%3E%3Cscript%3E&csrfmiddlewaretoken=%22%3E"
MANY, LONG = "&".join(f"f{n}=1" for n in range(100)), "user=" + "a" * 20_000


@pytest.mark.parametrize("body", [MARKS, MANY, LONG, "%ff=%00&user=%ff"], ids=["marks", "many", "long", "no text"])
def test_atk_067_whatever_is_posted_the_page_holds(clock, body):
    away = sent_away(Admission(), body=body)
    assert away.status == 503 and b"<script>" not in away.body and len(away.body) < 20_000


def test_atk_017_known_and_unknown_are_sent_away_alike(clock):
    """Nothing is looked up: the same words, the same ticket but for its name."""
    pages = [
        re.sub(r'value="[a-z.]*@taalim\.ma"', "", sent_away(Admission(), body=f"user={login}").body.decode())
        for login in (JAMAL.login, STRANGER)
    ]
    assert pages[0] == pages[1]


def test_elsewhere_the_page_itself_says_so_and_a_ticket_goes_with_it(clock):
    rush = Admission()
    place = rush.place(call(path="/profile/"))
    assert rush.send_away(place) is None and place.inside and not rush.place(call()).inside
    assert rush.place(call(place=ticket_of(place.call.cookies))).since == clock().timestamp()


def test_who_comes_back_goes_on_from_that_page(cast, monkeypatch):
    def busy(*_):
        raise credentials.Busy

    visitor = Visitor()
    with monkeypatch.context() as patch:
        patch.setattr(credentials.passwords, "verify", busy)
        visitor.sign_in(JAMAL.login, JAMAL.password)
    assert visitor.page.status_code == 503 and shows(visitor, "come_back.title") and JAMAL.login in visitor.html
    assert visitor.submit("/sign-in/", password=JAMAL.password).signed_in


def test_what_waits_for_turns_is_among_the_addresses(cast):
    """And nothing else can hash: the test client is refused as the product is."""
    rush = Admission()
    at = {
        "sign_in": "/sign-in/",
        "password_change": "/password/change/",
        "contact_remove": "/profile/contacts/7/remove/",
    }
    assert at.keys() <= addresses.BY_TURNS
    for path in at.values():
        assert rush.by_turns({"REQUEST_METHOD": "POST", "PATH_INFO": path})
        assert not rush.by_turns({"REQUEST_METHOD": "GET", "PATH_INFO": path})
    for path in ("/", "/nowhere/", "/recovery/", "/healthz", "/\xd9\x85/"):
        assert not rush.by_turns({"REQUEST_METHOD": "POST", "PATH_INFO": path})
    credentials.passwords.has_turn.set(False)
    try:
        with pytest.raises(credentials.Busy):
            credentials.passwords.hash_password("x")
    finally:
        credentials.passwords.has_turn.set(True)


# -- the way in


class Scope:
    query_string, scheme, http_version, server, authority = "", "http", "1.1", "127.0.0.1:1", None

    def __init__(self, path: str, method: str = "POST", client: str = "127.0.0.1:2"):
        self.path, self.method, self.client = path, method, client
        self.headers = {"host": "localhost", **({"content-length": "1"} if method == "POST" else {})}


class Line:
    """A client's connection. `gone`: set when it closes it; `whole`: when all of the body has come."""

    def __init__(self, *, whole: bool = True):
        self.sent, self.gone, self.whole = [], asyncio.Event(), asyncio.Event()
        if whole:
            self.whole.set()

    async def __aiter__(self):
        await self.whole.wait()
        yield b"x"

    async def client_disconnect(self) -> None:
        await self.gone.wait()

    def response_bytes(self, status: int, headers: list, body: bytes) -> None:
        self.sent.append(status)


class AtTheGate:
    """The product behind: what may hash waits until the test opens. `served`: who was answered with a turn."""

    def __init__(self):
        self.opened, self.inside, self.served = threading.Event(), 0, []

    def __call__(self, told: dict, start_response) -> list[bytes]:
        if told[rsgi.HAS_TURN]:
            self.inside += 1
            self.opened.wait(20)
            self.served.append(told["REMOTE_ADDR"])
        start_response("200 OK", [])
        return [b""]


async def begin(rush: Admission, gate: AtTheGate):
    """A way in whose threads for turns are all taken; returns it and how to send something in."""
    way_in = rsgi.RsgiApplication(gate, rush=rush)
    way_in.__rsgi_init__(asyncio.get_running_loop())

    def send(path: str, line: Line, method: str = "POST", client: str = "127.0.0.1:2") -> asyncio.Future:
        return asyncio.ensure_future(way_in.__rsgi__(Scope(path, method, client), line))

    taken = [send("/sign-in/", Line()) for _ in range(THREADS)]
    while gate.inside < THREADS:
        await asyncio.sleep(0)
    return send, taken


def test_atk_067_pages_and_signs_of_life_pass_beside_a_rush(clock):
    async def story() -> None:
        rush, gate = Admission(), AtTheGate()
        send, taken = await begin(rush, gate)
        waiting = [send("/sign-in/", Line()) for _ in range(10)]
        for path in ("/healthz", "/readyz", "/static/massar/css/base.css", "/"):
            beside = Line()
            await asyncio.wait_for(send(path, beside, "GET"), 20)
            assert beside.sent == [200] and gate.served == []
        assert len(rush.turns) == 10
        gate.opened.set()
        await asyncio.wait_for(asyncio.gather(*taken, *waiting), 20)

    asyncio.run(story())


def test_atk_067_who_is_one_too_many_is_told_at_once_and_who_waits_too_long_in_time(clock, ticks):
    async def story() -> None:
        rush, gate = Admission(), AtTheGate()
        rush.turns = Turns(ticks)
        send, taken = await begin(rush, gate)
        lines = [Line() for _ in range(rush.turns.longest + 1)]
        waiting = [send("/sign-in/", one, client=f"10.0.{n}.1:2") for n, one in enumerate(lines)]
        await asyncio.wait_for(waiting[-1], 20)
        assert [one.sent for one in lines] == [[]] * rush.turns.longest + [[503]]
        ticks.at += rush.turns.longest_wait
        await asyncio.wait_for(asyncio.gather(*waiting), 20)
        assert all(one.sent == [503] for one in lines) and len(rush.turns) == 0 and gate.served == []
        gate.opened.set()
        await asyncio.wait_for(asyncio.gather(*taken), 20)

    asyncio.run(story())


def test_atk_067_who_has_gone_costs_no_hash_and_a_slow_body_holds_no_place(clock):
    async def story() -> None:
        rush, gate = Admission(), AtTheGate()
        send, taken = await begin(rush, gate)
        gone, stays, slow = Line(), Line(), Line(whole=False)
        leaving, staying, dawdling = (
            send("/sign-in/", one, client=f"10.0.{n}.1:2") for n, one in enumerate((gone, stays, slow))
        )
        while len(rush.turns) < 2:
            await asyncio.sleep(0)
        gone.gone.set()
        await asyncio.wait_for(leaving, 20)
        assert len(rush.turns) == 1 and gone.sent == []
        gate.opened.set()
        await asyncio.wait_for(asyncio.gather(*taken, staying), 20)
        assert stays.sent == [200] and "10.0.0.1" not in gate.served and "10.0.1.1" in gate.served
        slow.whole.set()
        await asyncio.wait_for(dawdling, 20)
        assert slow.sent == [200]

    asyncio.run(story())


def test_a_fault_in_sending_away_is_told_and_answered(clock, caplog):
    async def story() -> None:
        rush, gate, one = Admission(), AtTheGate(), Line()
        send, taken = await begin(rush, gate)
        rush.turns.join = lambda place: place
        rush.send_away = lambda place: 1 / 0
        await asyncio.wait_for(send("/sign-in/", one), 20)
        assert one.sent == [500]
        gate.opened.set()
        await asyncio.wait_for(asyncio.gather(*taken), 20)

    asyncio.run(story())
    assert "no answer to POST below /sign-in" in caplog.text


def test_from_other_pages_a_rush_is_told_by_the_page_itself(clock):
    async def story() -> None:
        rush, gate, one = Admission(), AtTheGate(), Line()
        send, taken = await begin(rush, gate)
        rush.turns.join = lambda place: place
        await asyncio.wait_for(send("/password/change/", one), 20)
        assert one.sent == [200] and gate.served == [], "without a turn: the page refuses to hash"
        gate.opened.set()
        await asyncio.wait_for(asyncio.gather(*taken), 20)

    asyncio.run(story())
