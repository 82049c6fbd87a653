"""`massar send-test`: a real message to a real far end, and what an operator reads at each step."""

from collections.abc import Iterator

import pytest

from massar.providers.smpp.pdu import DELIVER_SM, Pdu
from tests.contracts.http_rig import Gateway
from tests.contracts.smpp_rig import PASSWORD, SYSTEM_ID, Smsc, deliver_body, receipt_text
from tests.contracts.smtp_rig import MailServer
from tests.support.postgres import free_port


@pytest.fixture(scope="module")
def far_ends() -> Iterator[tuple[Gateway, MailServer]]:
    gateway, server = Gateway(), MailServer().start()
    yield gateway, server
    gateway.stop()
    server.stop()


@pytest.fixture
def send(installed, far_ends):
    """Runs the command on that installation; (exit code, its words)."""
    gateway, server = far_ends
    gateway.mood = 200
    at = {
        "MASSAR_SMS_URL": f"http://127.0.0.1:{gateway.port}/send",
        "MASSAR_EMAIL_URL": f"smtp://127.0.0.1:{server.port}",
        "MASSAR_EMAIL_FROM": "massar@example.ma",
    }

    def run(*words: str, **changed: str) -> tuple[int, str]:
        done = installed.massar("send-test", *words, **{**at, **changed})
        return done.returncode, done.stdout + done.stderr

    return run


def test_an_sms_step_by_step_and_where_it_stops(send, far_ends):
    gateway, _ = far_ends
    before = len(gateway.requests)
    code, words = send("sms", "06 61 12 34 56")
    assert code == 0, words
    _, _, body = gateway.requests[before]
    assert body["to"] == "+212661123456" and body["text"].startswith("Massar: message d'essai")
    steps = [line.split()[0] for line in words.splitlines() if not line.startswith(" ")]
    assert steps == ["provider", "text", "reach", "accepted"] and "gsm7, 1 segment" in words
    gateway.mood = 401
    code, words = send("sms", "0661123456")
    assert code == 1 and "REFUSED" in words and "our account or setting is at fault" in words
    code, words = send("sms", "0661123456", MASSAR_SMS_URL=f"http://127.0.0.1:{free_port()}/")
    assert code == 1 and "reach     FAILED" in words and "accepted" not in words


def test_a_letter_in_arabic(send, far_ends):
    code, words = send("mail", "jamal@example.org", "--language", "ar")
    assert code == 0, words
    letter = far_ends[1].letters[-1]
    assert letter["To"] == "jamal@example.org" and "رسالة تجريبية" in letter["Subject"]


LONG = ("gw", "0661123456", "--long", "--wait", "0")
TABLE = """
[providers.gw]
kind = "http"
url = "http://127.0.0.1:{port}/send"
json = {{ to = "{{to}}", text = "{{text}}" }}
answer = {answer}
"""


@pytest.fixture
def say(send, far_ends, tmp_path):
    """Sends a long text through a gateway that answers so and is read so; (exit code, its words)."""
    gateway, _ = far_ends

    def run(answer: dict, reading: str, *more: str) -> tuple[int, str]:
        gateway.answer = answer
        (tmp_path / "massar.toml").write_text(TABLE.format(port=gateway.port, answer=reading), "utf-8")
        without = {"MASSAR_SMS_URL": None, "MASSAR_CONFIG": str(tmp_path / "massar.toml")}
        return send(*LONG, *more, **without)

    yield run
    gateway.answer = {"id": "gw-1"}


COUNTED = '{ reference = "id", segments = "sms.count" }'


def test_a_long_text_is_arabic_and_its_segments_are_counted(say, far_ends):
    code, words = say({"id": "1", "sms": {"count": 4}}, COUNTED)
    assert code == 0 and "205 units, ucs2, 4 segment(s)" in words
    assert "segments  4 are needed, the provider made 4\n" in words
    first, *lines = far_ends[0].requests[-1][2]["text"].splitlines()
    assert first.startswith("مسار: رسالة تجريبية") and lines == [f"السطر {n} من 8 وصل." for n in range(1, 9)]
    code, words = say({"id": "1"}, COUNTED, "--language", "fr")
    assert code == 0 and "310 units, gsm7, 3 segment(s)" in words and "Ligne 8 sur 8" in words


@pytest.mark.parametrize(("answer", "reading", "code", "told"), [
    ({"id": "1", "sms": {"count": "1"}}, COUNTED, 1,
     "CUT       the text needs 4 segments, the provider made 1: the rest is lost"),
    ({"id": "1", "sms": {"count": 5}}, COUNTED, 0,
     "segments  4 are needed, the provider made 5: it costs more than we reckon"),
    ({"all": ["1", "2"]}, '{ reference = "all.*" }', 1, "CUT       the text needs 4 segments, the provider made 2"),
    ({"id": "1"}, COUNTED, 0, "the message is whole if the phone shows its last line: السطر 8 من 8 وصل."),
    ({"id": "1", "sms": {"count": "many"}}, COUNTED, 0, "this provider does not say how many it made"),
])  # fmt: skip
def test_a_provider_that_cuts_is_found_out_where_it_can_be(say, answer, reading, code, told):
    done, words = say(answer, reading)
    assert done == code and told in words, words


@pytest.fixture
def smsc():
    server = Smsc()
    yield server
    server.stop()


@pytest.mark.parametrize(("lost", "code"), [((), 0), ((3,), 1)])
def test_by_smpp_each_segment_is_taken_and_reported_by_itself(send, smsc, lost, code):
    def with_receipt(link, asked):
        smsc.accept(link, asked)
        state = "UNDELIV" if len(smsc.references) in lost else "DELIVRD"
        name = f"{int(smsc.references[-1]):08X}"  # answered in decimal, reported in hexadecimal
        body = deliver_body(receipt_text(name, state), source=(1, 1, "212661123456"))
        link.send(Pdu(DELIVER_SM, 0, len(smsc.references), body))

    smsc.mood = with_receipt
    url = f"smpp://{SYSTEM_ID}:{PASSWORD.replace('/', '%2F').replace('@', '%40')}@127.0.0.1:{smsc.port}?rate=1000"
    done, words = send("sms", "0661123456", "--long", "--wait", "20", MASSAR_SMS_URL=url)
    assert done == code and "segments  4 are needed, the provider made 4" in words, words
    assert words.count("delivered ") == (4 if not lost else 2) and ("FAILED    " in words) == bool(lost), words


@pytest.mark.parametrize(("words", "told"), [
    (("mail", "jamal@example.org", "--long"), "--long is for SMS"),
    (("orange", "0661123456"), "There is no provider 'orange'. Configured: mail, sms."),
    (("sms", "0522123456"), "'0522123456' is no destination that sms (sms) could write to."),
    (("mail", "nobody"), "'nobody' is no destination"),
])  # fmt: skip
def test_mistakes_are_named(send, words, told):
    code, said = send(*words)
    assert code == 2 and told in said
