"""What the outbox may rely on, whichever provider it talks to. The fake is held to the same."""

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from massar.domain.delivery import provider as contract
from massar.domain.delivery.provider import Accepted, NotTransmitted, OutboundMessage, OutcomeUnknown, Rejected
from massar.providers.registry import provider_from_url
from massar.providers.site_logout import SiteProvider
from tests.support.fakes import BehavingProvider

from .conftest import HASTY, at_once, to_gateway
from .conftest import send as sent
from .smpp_rig import PASSWORD as SMSC_PASSWORD
from .smtp_rig import PASSWORD, USER

# The sign-in over loopback without TLS is on purpose: it is the one place where it is allowed.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
SECRET = "kdmwt-47392"
SMS = OutboundMessage("Zk3_x-1", "sms", "+212661000222", "fr", "", f"Massar: mot de passe\n{SECRET}\nà 14:35")
MAIL = OutboundMessage(
    "Zk3_x-1", "email", "khadija@example.org", "ar", "مسار: كلمة مرور", f"السلام عليكم\n\n{SECRET}\n", "<p>سلام</p>"
)
LOGOUT = OutboundMessage("Zk3_x-1", contract.SITE, "", "fr", "", "eyJhbGciOiJFUzI1NiJ9.eyJzaWQiOiJ4In0.c2lnbmF0dXJl")
ENVELOPE = OutboundMessage("Zk3_x-1", contract.SOAP, "", "fr", "", "<S:Envelope><a>é</a></S:Envelope>")
SITES = ("site-http", "site-https", "soap-http", "soap-https")
TABLES = ("table-http", "table-https")


@dataclass
class Rig:
    """A provider with its far end. `set_mood` sets the far end; `texts` and `keys` are what arrived there.

    `hasty` is the same provider with little patience, for a far end that stays silent. `keys` is None where the
    protocol has no place for a name that we give.
    """

    provider: contract.Provider
    hasty: contract.Provider
    message: OutboundMessage
    set_mood: Callable[[str], None]
    texts: Callable[[], list[str]]
    keys: Callable[[], list[str]] | None
    silent: bool = False

    def mood(self, name: str) -> None:
        self.silent = name == "silent"
        self.set_mood(name)

    def send(self, message: OutboundMessage | None = None) -> contract.Result:
        return sent(self.hasty if self.silent else self.provider, message or self.message)


def _fake(channel, message):
    provider = BehavingProvider(channel)

    def mood(name):
        provider.mood = name

    got = provider.received
    return Rig(provider, provider, message, mood, lambda: [m.text for m in got], lambda: [m.message_id for m in got])


def _mail(server, *providers):
    answers = {
        "refused": {"RCPT": "550 5.1.1 no such user"}, "not_now": {"RCPT": "451 4.7.1 greylisted"},
        "configuration_error": {"MAIL": "553 5.7.1 sender not owned"},
    }  # fmt: skip

    def mood(name):
        server.stages = answers.get(name, {})
        server.after_data = "silent" if name == "silent" else ""

    def texts():
        return ["\n".join(m.get_body(("plain",)).get_content().splitlines()) for m in server.letters]

    return Rig(*providers, MAIL, mood, texts, lambda: [m["Message-ID"] for m in server.letters])


def _http(server, *providers, message=SMS, field="text", answers=(422, 503, 401)):
    """A gateway, or a site's logout address: the token is the one field of the form, or an envelope is the body."""
    moods = dict(zip(("refused", "not_now", "configuration_error", "silent"), (*answers, "silent"), strict=True))

    def mood(name):
        server.mood = moods.get(name, "")

    def texts():
        return [body[field] for _, _, body in server.requests]

    return Rig(*providers, message, mood, texts, lambda: [head["Idempotency-Key"] for _, head, _ in server.requests])


def _smsc(server, *providers):
    def mood(name):
        server.mood = {"refused": 0x0B, "not_now": 0x58, "configuration_error": 0x0A}.get(name, name)

    return Rig(*providers, SMS, mood, lambda: [submit.text for submit in server.submits], None)


KEYED = ("fake-sms", "fake-email", "smtp", "smtp+starttls", "smtps", "http", "https", *TABLES, *SITES)
SMSCS = ("smpp", "smpps")


LOGIN = f"{USER.replace('@', '%40')}:{PASSWORD.replace('@', '%40').replace('/', '%2F')}@"


@pytest.fixture(params=[*KEYED, *SMSCS])
def rig(request, mail_server, gateway, smsc, smpp, server_tls, options, ca_file):
    kind, patience = request.param, (options(), options(**HASTY))
    if kind.startswith("fake"):
        return _fake("sms", SMS) if kind == "fake-sms" else _fake("email", MAIL)
    if kind in SMSCS:
        server = smsc(server_tls if kind == "smpps" else None)
        secure = {"tls": "on" if kind == "smpps" else "off", "host": "localhost", "window": 20}
        return _smsc(server, smpp(server, **secure), smpp(server, answer_timeout=0.3, **secure))
    if kind.startswith("smtp"):
        tls = {} if kind == "smtp" else {"tls" if kind == "smtps" else "starttls": server_tls}
        server = mail_server(auth=True, **tls)
        return _mail(server, *(provider_from_url(f"{kind}://{LOGIN}localhost:{server.port}", o) for o in patience))
    scheme = kind.rpartition("-")[2]
    server = gateway(server_tls if scheme == "https" else None, keeps=kind in TABLES)
    url = f"{scheme}://localhost:{server.port}/send?a=b"
    if kind in SITES:
        message, field = (ENVELOPE, "envelope") if kind.startswith("soap") else (LOGOUT, "logout_token")
        ends = [SiteProvider(message.channel, one) for one in patience]
        return _http(server, *ends, message=replace(message, to=url), field=field, answers=(400, 503, 404))
    if kind in TABLES:  # by settings, on kept connections
        more = {"url": url, "ca_file": str(ca_file), "answer": {"reference": "id"}}
        return _http(server, to_gateway(server, **more), to_gateway(server, **more, **HASTY))
    return _http(server, *(provider_from_url(url, o) for o in patience))


@pytest.fixture
def opened(servers, sink):
    """A provider of a URL; one that stands on a connection is opened, and closed after the test."""

    def make(kind, place, patience):
        login = "massar:secret@" if kind in SMSCS else ""
        provider = provider_from_url(f"{kind}://{login}{place}", patience)
        if isinstance(provider, contract.Pipelined):
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


def test_a_message_carries_the_same_key_each_time_and_no_other_does(rig):
    if rig.keys is None:
        return  # SMPP has no place for one: segments carry a number of their own (test_smpp_codec.py)
    for message in (rig.message, rig.message, replace(rig.message, message_id="another")):
        rig.send(message)
    first, second, another = rig.keys()
    assert first == second != another and rig.message.message_id in first


# What each trouble is told as: its class, and of a rejection (permanent, configuration_error).
TROUBLES = {
    "refused": (Rejected, True, False), "not_now": (Rejected, False, False),
    "configuration_error": (Rejected, False, True), "silent": (OutcomeUnknown, None, None),
}  # fmt: skip


def test_every_trouble_is_told_for_what_it_is_without_a_secret_and_the_next_message_goes(rig):
    shown = repr(rig.message) + repr(rig.provider) + repr(rig.send())
    for mood, told in TROUBLES.items():
        rig.mood(mood)
        before, result = len(rig.texts()), rig.send()
        said = (getattr(result, name, None) for name in ("permanent", "configuration_error"))
        assert (type(result), *said) == told and (getattr(result, "code", "") or result.why), (mood, result)
        assert mood != "silent" or len(rig.texts()) == before + 1, "it is there all the same"
        rig.mood("")
        assert isinstance(rig.send(), Accepted), mood
        shown += repr(result)
    for hidden in (SECRET, rig.message.to, rig.message.to[1:], PASSWORD, SMSC_PASSWORD):
        assert hidden not in shown


def test_many_threads_may_send_at_once(rig):
    text = rig.message.text
    results = at_once(lambda n: rig.send(replace(rig.message, message_id=f"m{n}", text=f"{text}-{n}")), 12)
    assert [type(result) for result in results] == [Accepted] * 12
    assert len({text.strip() for text in rig.texts()}) == 12


@pytest.mark.parametrize("kind", ["smtp", "smtp+starttls", "smtps", "http", "https", "smpp", "smpps"])
def test_nobody_there_means_not_sent(kind, options, opened):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refused for certain
        provider = opened(kind, f"localhost:{taken.getsockname()[1]}", options())
        assert isinstance(sent(provider), NotTransmitted)
        (sentence,) = provider.check()
        assert "can't be reached" in sentence


@pytest.mark.parametrize("kind", ["smtps", "https", "smpps"])
def test_a_name_that_does_not_exist_means_not_sent(kind, options, opened):
    assert isinstance(sent(opened(kind, "nowhere.invalid", options())), NotTransmitted)


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
    provider = opened(kind, f"localhost:{server.port}", options(**changes))
    assert isinstance(sent(provider), NotTransmitted)
    (sentence,) = provider.check()
    assert "certificate" in sentence
    heard = server.letters if kind.startswith("smtp") else server.requests if kind == "https" else server.binds
    assert heard == []


def test_the_fake_dials_its_faults_by_the_end_of_the_number():
    fake = BehavingProvider("sms", slow=0.05)
    one, two, three, four = (sent(fake, replace(SMS, to=f"+21266100000{end}")) for end in range(1, 5))
    assert isinstance(one, Rejected) and isinstance(two, OutcomeUnknown)
    assert isinstance(three, Accepted) and isinstance(four, Accepted)
    assert [m.to[-4:] for m in fake.received] == ["0002", "0003", "0004"]
