"""Debian's Kannel as SMS gateway: our provider hands over, an SMSC behind it takes or refuses, and Kannel's call-backs
arrive at the running product.
"""

import contextlib
import http.client
import json
import re
import sqlite3
import tomllib
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest

from massar.domain.delivery.provider import Accepted, OutboundMessage, Rejected
from massar.domain.delivery.sms_text import measure
from massar.providers import http_client
from massar.providers.connect import connect
from massar.providers.registry import provider_from_table
from massar.providers.sms_http import settings
from tests.cast import YOUSSEF
from tests.contracts.smpp_rig import PASSWORD as BIND_PASSWORD
from tests.contracts.smpp_rig import SYSTEM_ID
from tests.servers import account as product
from tests.servers.machine import program, running
from tests.servers.pages import block, written
from tests.servers.smsc import Phones
from tests.servers.surfer import Surfer
from tests.support.postgres import free_port
from tests.support.programs import KANNEL
from tests.support.serving import site_at_work
from tests.support.waits import until

CONF = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = {password}
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
box-deny-ip = "*.*.*.*"
box-allow-ip = 127.0.0.1
dlr-storage = internal
log-file = bearerbox.log
log-level = 1

group = smsc
smsc = smpp
smsc-id = one
host = 127.0.0.1
port = {smsc}
transceiver-mode = true
smsc-username = {user}
smsc-password = "{bind_password}"
system-type = ""
reconnect-delay = 1
"""
# The same account without what the page says of long messages.
LEFT_OUT = "\ngroup = sendsms-user\nusername = cut\npassword = {password}\n"
PAGE = "docs/operate/sms-http.md"
PASSWORD = "s3cret&="
PHONE, UNDELIVERED, REFUSED = "+212661123456", "+212661000288", "+212661000299"
TEN_MINUTES = timedelta(minutes=10)
EXAMPLES = tomllib.loads((settings.PRESETS / "kannel.examples.toml").read_text("utf-8"))
ANSWERED = {one["what"]: one for one in EXAMPLES["answers"]}


class Place:
    """Ports and folders of one Kannel and the product that uses it."""

    def __init__(self, ports: dict[str, int]):
        self.ports = ports
        self.url = f"http://127.0.0.1:{ports['sendsms']}/cgi-bin/sendsms"

    def table(self, password: str = PASSWORD, user: str = "massar") -> dict:
        """The provider of the page, at this place."""
        (given,) = tomllib.loads(block(PAGE, "[providers.kannel]"))["providers"].values()
        assert set(given) == {"kind", "preset", "url", "query"} and set(given["query"]) == {"username", "password"}
        return given | {"url": self.url, "query": {"username": user, "password": password}}

    def provider(self, password: str = PASSWORD, user: str = "massar"):
        base = f"http://localhost:{self.ports['account']}/receipts"
        return provider_from_table(self.table(password, user), name="kannel", receipts_base=base)


@pytest.fixture(scope="module")
def place() -> Place:
    return Place({name: free_port() for name in ("admin", "boxes", "sendsms", "smsc", "account")})


@pytest.fixture(scope="module")
def smsc(place: Place) -> Iterator[Phones]:
    one = Phones(place.ports["smsc"])
    yield one
    one.stop()


@pytest.fixture(scope="module")
def kannel(place: Place, smsc: Phones, tmp_path_factory) -> Iterator[Place]:
    bearerbox = program(KANNEL)
    folder = tmp_path_factory.mktemp("kannel")
    (folder / "kannel.conf").write_text(_conf(place))
    box, sms = ([name, "-v", "2", "kannel.conf"] for name in (bearerbox, bearerbox.replace("bearerbox", "smsbox")))
    with (
        running(box, folder=folder, ports=(place.ports["admin"], place.ports["boxes"]), logs=("bearerbox.log",)),
        running(sms, folder=folder, ports=(place.ports["sendsms"],), logs=("smsbox.log",)),
    ):
        yield place


def _conf(place: Place) -> str:
    """What the page says, with the ports of this run, and the rest of a Kannel."""
    page = written(
        block(PAGE, "group = smsbox"), sendsms_port=str(place.ports["sendsms"]), password=PASSWORD, http_queue_delay="1"
    )  # fmt: skip
    page = page.replace("group = smsbox", "group = smsbox\nlog-file = smsbox.log\nsendsms-interface = 127.0.0.1")
    rest = CONF.format(password=PASSWORD, user=SYSTEM_ID, bind_password=BIND_PASSWORD, **place.ports)
    return f"{rest}\n{page}{LEFT_OUT.format(password=PASSWORD)}"


@pytest.fixture
def heard():
    """Where Kannel calls back; `asked` keeps what it asks for."""
    with site_at_work(lambda *_: (200, "")) as site:
        yield site


@pytest.fixture(scope="module")
def running_product(kannel: Place, tmp_path_factory):
    table = kannel.table()
    query = ", ".join(f"{name} = {json.dumps(value)}" for name, value in table.pop("query").items())
    lines = ["[providers.kannel]", *(f"{name} = {json.dumps(value)}" for name, value in table.items())]
    config = "\n".join([*lines, f"query = {{ {query} }}", ""])
    with product.running_account(tmp_path_factory.mktemp("account"), kannel.ports["account"], config) as it:
        yield it


def message(to: str, text: str, uid: str = "Zk3_x-1") -> OutboundMessage:
    return OutboundMessage(uid, "sms", to, "ar", "", text)


def test_a_text_arrives_word_for_word_with_its_time(kannel: Place, smsc: Phones):
    provider = kannel.provider()
    text = "مسار: {to} kdmwt-47392\n\"'&=+%<\\"
    assert provider.send(message("+212661000222", text), valid_for=TEN_MINUTES) == Accepted("", receipt=True)
    arrived = smsc.wait_for("212661000222")
    assert (arrived.sender, arrived.text) == ("MASSAR", text) and arrived.validity
    plain = "Massar: kdmwt-47392\nne le donnez pas."
    assert isinstance(provider.send(message("+212661000223", plain), valid_for=TEN_MINUTES), Accepted)
    assert smsc.wait_for("212661000223").text == plain


LONG = [
    ("ش" * 70, 1), ("ش" * 71, 2), ("ش" * 134, 2), ("مسار: " + "رمز الدخول " * 30, 6), ("x" * 160, 1), ("x" * 161, 2),
    ("x" * 159 + "€", 2), ("x" * 152 + "€" + "y" * 20, 2), ("x" * 306, 2), ("ê" * 71, 2), ("é" * 161, 2),
    ("x" * 1530, 10), ("ش" * 66 + "😀" + "ش" * 20, 2), ("😀" * 36, 2),
]  # fmt: skip


@pytest.mark.parametrize(("text", "segments"), LONG, ids=range(len(LONG)))
def test_a_long_text_arrives_whole(kannel: Place, smsc: Phones, text: str, segments: int):
    to = f"+2126620{LONG.index((text, segments)):05}"
    assert measure(text).segments == segments
    assert isinstance(kannel.provider().send(message(to, text), valid_for=TEN_MINUTES), Accepted)
    arrived = smsc.wait_for(to.lstrip("+"))
    assert (arrived.text, arrived.segments) == (text, segments)


@pytest.mark.parametrize(("ending", "state"), [("00", 1), ("88", 2), ("77", 2), ("66", 1)])
def test_of_a_long_text_the_first_segment_alone_is_reported(
    kannel: Place, smsc: Phones, heard, ending: str, state: int
):
    """As the page says: where the second alone is lost, Kannel calls it delivered."""
    to = f"+2126640000{ending}"
    provider = provider_from_table(kannel.table(), name="kannel", receipts_base=heard.origin)
    assert isinstance(provider.send(message(to, "ش" * 150), valid_for=TEN_MINUTES), Accepted)
    assert smsc.wait_for(to.lstrip("+")).segments == 3
    until(lambda: len(heard.asked) >= 2, 20)
    assert sorted(path.rpartition("=")[2] for _, path, _ in heard.asked) == [str(state), "8"]


@pytest.mark.parametrize(
    ("text", "left"), [("ش" * 71, "ش" * 70), ("x" * 161, "x" * 160), ("x" * 159 + "€", "x" * 159)], ids="abc"
)
def test_without_what_the_page_says_it_is_cut_and_nobody_is_told(kannel: Place, smsc: Phones, text: str, left: str):
    """Why the page says it: Kannel's own default, of which its answer says nothing."""
    to = f"+21266300{len(text)}{len(left):03}"
    assert kannel.provider(user="cut").send(message(to, text), valid_for=TEN_MINUTES) == Accepted("", receipt=True)
    assert smsc.wait_for(to.lstrip("+")).text == left


def test_a_wrong_password_is_our_fault_and_what_is_no_number_is_refused_for_good(kannel: Place):
    result = kannel.provider("wrong").send(message(PHONE, "x"), valid_for=TEN_MINUTES)
    assert result == Rejected("http 403", permanent=False, configuration_error=True)
    result = kannel.provider().send(message("nobody", "x"), valid_for=TEN_MINUTES)
    assert result == Rejected("http 400", permanent=True)


def test_a_hundred_messages_take_one_connection(kannel: Place, smsc: Phones, monkeypatch):
    opened = []
    monkeypatch.setattr(http_client, "connect", lambda *where: opened.append(where) or connect(*where))
    provider = kannel.provider()
    results = [provider.send(message("+212661000230", f"n {n}"), valid_for=TEN_MINUTES) for n in range(100)]
    assert [r for r in results if not isinstance(r, Accepted)] == []
    assert len(opened) == 1


def test_the_recorded_answers_are_what_this_kannel_says(kannel: Place):
    secret, number = quote(PASSWORD), quote("+212661000222")
    for what, password, to in (
        ("taken", secret, number), ("wrong password", "x", number),
        ("a number that is not allowed, or none", secret, "nobody"),
    ):  # fmt: skip
        said = _get(kannel, f"username=massar&password={password}&from=MASSAR&to={to}&text=x")
        assert said == (ANSWERED[what]["status"], ANSWERED[what]["body"]), what


def _get(kannel: Place, query: str) -> tuple[int, str]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", kannel.ports["sendsms"], timeout=20)) as line:
        line.request("GET", f"/cgi-bin/sendsms?{query}")
        answer = line.getresponse()
        return answer.status, answer.read().decode()


def test_a_receipt_reaches_the_running_product(running_product, smsc: Phones, surfer: Surfer):
    """A person adds a phone; the code goes through Kannel, and what Kannel tells of it stands in the attempt."""
    assert _add_phone(running_product, surfer, PHONE, smsc)
    assert _outcome(running_product, 1) == ("kannel", "delivered", "1")


@pytest.mark.parametrize(("phone", "number", "code"), [(UNDELIVERED, 2, "2"), (REFUSED, 3, "16")])
def test_a_bad_end_is_told_too(running_product, smsc: Phones, surfer: Surfer, phone: str, number: int, code: str):
    _add_phone(running_product, surfer, phone, smsc if phone == UNDELIVERED else None)
    assert _outcome(running_product, number) == ("kannel", "failed", code)


def test_a_long_trial_arrives_whole_and_its_receipt_comes(running_product, smsc: Phones):
    words = running_product.run("send-test", "kannel", "0662000055", "--long", "--wait", "60")
    assert "ucs2, 4 segment(s)" in words and "delivered " in words
    arrived = smsc.wait_for("212662000055")
    assert arrived.segments == 4 and f"its last line: {arrived.text.splitlines()[-1]}" in words


def _add_phone(account, surfer: Surfer, phone: str, smsc: Phones | None) -> str:
    account.sign_in(surfer)
    surfer.open(f"{account.url}/profile/")
    surfer.submit("/profile/", phone=phone, password=YOUSSEF.password)
    found = re.search(r"\b\d{6}\b", smsc.wait_for(phone.lstrip("+")).text) if smsc else None
    return found[0] if found else ""


def _outcome(account, number: int) -> tuple[str, str, str]:
    """Provider, state and code of the segment, once its last word is there."""
    statement = "SELECT provider, state, code FROM delivery_part ORDER BY id LIMIT 1 OFFSET ?"

    def ended() -> tuple[str, str, str] | None:
        with contextlib.closing(sqlite3.connect(account.folder / "massar.sqlite3")) as store:
            row = store.execute(statement, (number - 1,)).fetchone()
        return row if row and row[1] in ("delivered", "failed") else None

    return until(ended, 30)
