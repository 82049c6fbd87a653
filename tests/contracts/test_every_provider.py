"""What the outbox may rely on, whichever provider it talks to. The fake is held to the same."""

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from massar.domain.delivery.provider import (
    Accepted,
    NotTransmitted,
    OutboundMessage,
    OutcomeUnknown,
    Pipelined,
    Provider,
    Rejected,
    Result,
)
from massar.providers.registry import SiteProvider, provider_from_url
from massar.providers.sms_http.provider import from_table
from tests.support.fakes import BehavingProvider

from .conftest import HASTY
from .smpp_rig import PASSWORD as SMSC_PASSWORD
from .smtp_rig import PASSWORD, USER

TEN_MINUTES = timedelta(minutes=10)
# The sign-in over loopback without TLS is on purpose: it is the one place where it is allowed.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
SECRET = "kdmwt-47392"
SMS = OutboundMessage("Zk3_x-1", "sms", "+212661000222", "fr", "", f"Massar: mot de passe\n{SECRET}\nà 14:35")
MAIL = OutboundMessage(
    "Zk3_x-1",
    "email",
    "khadija@example.org",
    "ar",
    "مسار: كلمة مرور",
    f"السلام عليكم\n\n{SECRET}\n",
    "<p>سلام</p>",
)
LOGOUT = OutboundMessage("Zk3_x-1", "site", "", "fr", "", "eyJhbGciOiJFUzI1NiJ9.eyJzaWQiOiJ4In0.c2lnbmF0dXJl")
ENVELOPE = OutboundMessage("Zk3_x-1", "soap", "", "fr", "", "<S:Envelope><a>é</a></S:Envelope>")
SITES = ("site-http", "site-https", "soap-http", "soap-https")
TABLES = ("table-http", "table-https")


@dataclass
class Rig:
    """A provider with its far end. `set_mood` sets the far end; `texts` and `keys` are what arrived there.

    `hasty` is the same provider with little patience, for a far end that stays silent. `keys` is None where the
    protocol has no place for a name that we give.
    """

    provider: Provider
    hasty: Provider
    message: OutboundMessage
    set_mood: Callable[[str], None]
    texts: Callable[[], list[str]]
    keys: Callable[[], list[str]] | None
    silent: bool = False

    def mood(self, name: str) -> None:
        self.silent = name == "silent"
        self.set_mood(name)

    def send(self, message: OutboundMessage | None = None) -> Result:
        provider = self.hasty if self.silent else self.provider
        return provider.send(message or self.message, valid_for=TEN_MINUTES)


def _fake(channel, message):
    provider = BehavingProvider(channel)

    def mood(name):
        provider.mood = name

    return Rig(
        provider,
        provider,
        message,
        mood,
        lambda: [m.text for m in provider.received],
        lambda: [m.message_id for m in provider.received],
    )


def _mail(server, url, *options):
    answers = {
        "refused": {"RCPT": "550 5.1.1 no such user"},
        "not_now": {"RCPT": "451 4.7.1 greylisted"},
        "configuration_error": {"MAIL": "553 5.7.1 sender not owned"},
    }

    def mood(name):
        server.stages = answers.get(name, {})
        server.after_data = "silent" if name == "silent" else ""

    return Rig(
        *(provider_from_url(url, patience) for patience in options),
        MAIL,
        mood,
        lambda: ["\n".join(m.get_body(("plain",)).get_content().splitlines()) for m in server.letters],
        lambda: [m["Message-ID"] for m in server.letters],
    )


def _table(server, url, *options):
    """A gateway by settings, on kept connections."""
    request = {"url": url, "json": {"to": "{to}", "text": "{text}"}, "answer": {"reference": "id"}}
    patience = ("connect_timeout", "answer_timeout", "total_timeout")
    tables = ({"ca_file": str(o.ca_file), **{key: getattr(o, key) for key in patience}, **request} for o in options)
    return _gateway(server, *(from_table(table, name="gateway", receipts_base="") for table in tables))


def _sms(server, url, *options):
    return _gateway(server, *(provider_from_url(url, patience) for patience in options))


def _gateway(server, *providers):
    def mood(name):
        server.mood = {"refused": 422, "not_now": 503, "configuration_error": 401, "silent": "silent"}.get(name, "")

    return Rig(
        *providers,
        SMS,
        mood,
        lambda: [body["text"] for _, _, body in server.requests],
        lambda: [headers["Idempotency-Key"] for _, headers, _ in server.requests],
    )


def _site(server, address, kind, *options):
    """Far end: a site's logout address. The token is the one field of the form, or an envelope is the body."""
    message, name = {"site": (LOGOUT, "logout_token"), "soap": (ENVELOPE, "envelope")}[kind]

    def mood(name):
        answers = {"refused": 400, "not_now": 503, "configuration_error": 404, "silent": "silent"}
        server.mood = answers.get(name, "")

    return Rig(
        *(SiteProvider(kind, patience) for patience in options),
        replace(message, to=address),
        mood,
        lambda: [body[name] for _, _, body in server.requests],
        lambda: [headers["Idempotency-Key"] for _, headers, _ in server.requests],
    )


def _smsc(server, provider, hasty):
    def mood(name):
        server.mood = {"refused": 0x0B, "not_now": 0x58, "configuration_error": 0x0A}.get(name, name)

    return Rig(provider, hasty, SMS, mood, lambda: [submit.text for submit in server.submits], None)


def _login(url: str) -> str:
    return url.replace("://", f"://{USER.replace('@', '%40')}:{PASSWORD.replace('@', '%40').replace('/', '%2F')}@")


KEYED = ("fake-sms", "fake-email", "smtp", "smtp+starttls", "smtps", "http", "https", *TABLES, *SITES)
SMSCS = ("smpp", "smpps")


@pytest.fixture(params=KEYED)
def keyed_rig(request, rigs):
    return rigs(request.param)


@pytest.fixture(params=[*KEYED, *SMSCS])
def rig(request, rigs):
    return rigs(request.param)


@pytest.fixture
def rigs(mail_server, gateway, smsc, smpp, server_tls, options):
    return lambda kind: _rig(kind, mail_server, gateway, smsc, smpp, server_tls, options)


def _rig(kind, mail_server, gateway, smsc, smpp, server_tls, options):
    if kind in SMSCS:
        server = smsc(server_tls if kind == "smpps" else None)
        secure = {"tls": "on" if kind == "smpps" else "off", "host": "localhost", "window": 20}
        return _smsc(server, smpp(server, **secure), smpp(server, answer_timeout=0.3, **secure))
    if kind in SITES:
        way, _, scheme = kind.partition("-")
        server = gateway(server_tls if scheme == "https" else None)
        return _site(server, f"{scheme}://localhost:{server.port}/logout?a=b", way, options(), options(**HASTY))
    if kind.startswith("fake"):
        return _fake("sms", SMS) if kind == "fake-sms" else _fake("email", MAIL)
    if kind.startswith("smtp"):
        tls = {"smtps": {"tls": server_tls}, "smtp+starttls": {"starttls": server_tls}}.get(kind, {})
        server = mail_server(auth=True, **tls)
        return _mail(server, _login(f"{kind}://localhost:{server.port}"), options(), options(**HASTY))
    if kind in TABLES:
        scheme = kind.partition("-")[2]
        server = gateway(server_tls if scheme == "https" else None, keeps=True)
        return _table(server, f"{scheme}://localhost:{server.port}/send", options(), options(**HASTY))
    server = gateway(server_tls if kind == "https" else None)
    return _sms(server, f"{kind}://localhost:{server.port}/send", options(), options(**HASTY))


LOGINS = {"smpp": "massar:secret@", "smpps": "massar:secret@"}


@pytest.fixture
def opened(servers, sink):
    """A provider of a URL; one that stands on a connection is opened, and closed after the test."""

    def make(url, patience):
        provider = provider_from_url(url, patience)
        if isinstance(provider, Pipelined):
            servers.callback(provider.close)
            provider.open(sink)
        return provider

    return make


def test_a_healthy_far_end_is_checked_without_a_message_and_one_arrives_word_for_word_with_a_reference(rig):
    assert rig.provider.check() == [] and rig.texts() == []
    result = rig.send()
    assert isinstance(result, Accepted) and result.reference
    assert [text.strip() for text in rig.texts()] == [rig.message.text.strip()]
    assert rig.provider.channel == rig.message.channel and rig.provider.name


def test_a_message_carries_the_same_key_each_time_and_no_other_does(keyed_rig):
    rig = keyed_rig
    rig.send()
    rig.send()
    rig.send(replace(rig.message, message_id="another"))
    first, second, another = rig.keys()
    assert first == second != another and rig.message.message_id in first


@dataclass
class Told:
    """What a rejection says."""

    permanent: bool = False
    configuration_error: bool = False

    def __call__(self, result: Result) -> bool:
        said = isinstance(result, Rejected) and (result.permanent, result.configuration_error)
        return said == (self.permanent, self.configuration_error) and bool(result.code)


TROUBLES = {
    "refused": Told(permanent=True),
    "not_now": Told(),
    "configuration_error": Told(configuration_error=True),
    "silent": lambda result: isinstance(result, OutcomeUnknown) and bool(result.why),
}


def test_every_trouble_is_told_for_what_it_is_without_a_secret_and_the_next_message_goes(rig):
    shown = repr(rig.message) + repr(rig.provider) + repr(rig.send())
    for mood, is_told in TROUBLES.items():
        rig.mood(mood)
        before, result = len(rig.texts()), rig.send()
        assert is_told(result), (mood, result)
        assert mood != "silent" or len(rig.texts()) == before + 1, "it is there all the same"
        rig.mood("")
        assert isinstance(rig.send(), Accepted), mood
        shown += repr(result)
    for hidden in (SECRET, rig.message.to, rig.message.to[1:], PASSWORD, SMSC_PASSWORD):
        assert hidden not in shown


def test_many_threads_may_send_at_once(rig):
    results = []
    messages = [
        replace(rig.message, message_id=f"m{number}", text=f"{rig.message.text}-{number}") for number in range(12)
    ]
    threads = [threading.Thread(target=lambda m=m: results.append(rig.send(m))) for m in messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [type(result) for result in results] == [Accepted] * 12
    assert len({text.strip() for text in rig.texts()}) == 12


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("smtp", MAIL),
        ("smtp+starttls", MAIL),
        ("smtps", MAIL),
        ("http", SMS),
        ("https", SMS),
        ("smpp", SMS),
        ("smpps", SMS),
    ],
)
def test_nobody_there_means_not_sent(kind, message, options, opened):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused for certain
        provider = opened(f"{kind}://{LOGINS.get(kind, '')}localhost:{taken.getsockname()[1]}", options())
        assert isinstance(provider.send(message, valid_for=TEN_MINUTES), NotTransmitted)
        (sentence,) = provider.check()
        assert "can't be reached" in sentence


@pytest.mark.parametrize(("kind", "message"), [("smtps", MAIL), ("https", SMS), ("smpps", SMS)])
def test_a_name_that_does_not_exist_means_not_sent(kind, message, options, opened):
    provider = opened(f"{kind}://{LOGINS.get(kind, '')}nowhere.invalid", options())
    assert isinstance(provider.send(message, valid_for=TEN_MINUTES), NotTransmitted)


@pytest.mark.parametrize("kind", ["smtps", "smtp+starttls", "https", "smpps"])
@pytest.mark.parametrize("fault", ["unknown authority", "other name"])
def test_a_certificate_that_does_not_verify_ends_it(
    kind, fault, options, opened, mail_server, gateway, smsc, server_tls, other_name_tls
):
    tls = other_name_tls if fault == "other name" else server_tls
    if kind.startswith("smtp"):
        server = mail_server(**{"tls" if kind == "smtps" else "starttls": tls})
    else:
        server = gateway(tls) if kind == "https" else smsc(tls)
    changes = {"ca_file": None} if fault == "unknown authority" else {}
    provider = opened(f"{kind}://{LOGINS.get(kind, '')}localhost:{server.port}", options(**changes))
    message = MAIL if kind.startswith("smtp") else SMS
    assert isinstance(provider.send(message, valid_for=TEN_MINUTES), NotTransmitted)
    (sentence,) = provider.check()
    assert "certificate" in sentence
    heard = server.letters if kind.startswith("smtp") else server.requests if kind == "https" else server.binds
    assert heard == []


def test_the_fake_dials_its_faults_by_the_end_of_the_number():
    fake = BehavingProvider("sms", slow=0.05)
    by_ending = {
        end: fake.send(replace(SMS, to=f"+21266100{end}"), valid_for=TEN_MINUTES)
        for end in ("0001", "0002", "0003", "0004")
    }
    assert isinstance(by_ending["0001"], Rejected) and isinstance(by_ending["0002"], OutcomeUnknown)
    assert isinstance(by_ending["0003"], Accepted) and isinstance(by_ending["0004"], Accepted)
    assert [m.to[-4:] for m in fake.received] == ["0002", "0003", "0004"]
