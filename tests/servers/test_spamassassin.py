"""How letters look to a filter: Debian's SpamAssassin with its own rules finds nothing in any of them."""

import os
import re
import subprocess

import pytest

from tests.servers.machine import program
from tests.support.letters import CASES, MINISTRY, UID, made, outgoing, rendered
from tests.support.programs import SPAMASSASSIN

# What a mail server writes above a letter that it has taken from ours: judged as at the recipient's.
ON_THE_WAY = b"""Return-Path: <b+aaaaabbbbbcccccdddddz-0123456789ab-0123456789abcdef01234567@bounce.example.ma>
Received: from mail.example.ma (mail.example.ma [192.0.2.25])
\tby mx.example.org (Postfix) with ESMTPS id 4XyZ1234567
\tfor <khadija@example.org>; Sun, 29 Nov 2026 14:51:09 +0000 (UTC)
"""
# Why each of these may fire: none tells of the form of a letter. With -L nothing of the network is asked, so no rule of
# SPF, DKIM, DMARC or of lists of addresses runs at all; they judge the operator's server (docs/operate/mail.md).
EXCUSED = {
    "HTML_MESSAGE": "says that there is HTML; no points",
    "RCVD_ILLEGAL_IP": "the sending address above is one for examples (RFC 5737)",
}
NOT_SENT_YET = {
    "HTML_MESSAGE": "as above",
    "NO_RECEIVED": "the letter has passed no server yet; no points",
    "NO_RELAYS": "as above",
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Which rules fire for each of the letters, in one run: starting takes longer than judging."""
    found = program(SPAMASSASSIN)
    home = tmp_path_factory.mktemp("spamassassin")

    def judge(letters: list[bytes]) -> list[set[str]]:
        done = subprocess.run(
            [found, "--local", "--test-mode", "--nocreate-prefs", "--cf=use_bayes 0", "--mbox"],
            input=b"".join(map(_in_a_box, range(len(letters)), letters)), capture_output=True, timeout=300,
            env={**os.environ, "HOME": str(home), "LC_ALL": "C"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        answers = dict(map(_answer, re.split(rb"(?m)^From (?=massar@)", done.stdout)[1:]))
        return [answers[number] for number in range(len(letters))]

    return judge


def _in_a_box(number: int, letter: bytes) -> bytes:
    """The letter as one of an mbox, which comes out in another order: known by its Message-ID."""
    plain = letter.replace(b"\r\n", b"\n").replace(UID.encode(), f"{UID[:-3]}{number:03}".encode())
    return b"From massar@example.ma Sun Nov 29 14:51:09 2026\n" + re.sub(rb"(?m)^From ", b">From ", plain) + b"\n"


def _answer(judged: bytes) -> tuple[int, set[str]]:
    head = judged.partition(b"\n\n")[0].decode("utf-8", "replace")
    rules = re.search(r"^X-Spam-Status: .*?\btests=(.*?)\s+(?:autolearn|version)=", head, re.MULTILINE | re.DOTALL)[1]
    return int(re.search(rf"^Message-ID: <{UID[:-3]}(\d+)@", head, re.MULTILINE)[1]), set(re.findall(r"\w+", rules))


def letter(template: str, event: str, language: str, sender: str) -> bytes:
    text = rendered(template, event, language, "email")
    return made(outgoing(text.subject, text.text, text.html, language), sender_name=sender)


@pytest.mark.parametrize(
    ("above", "named", "excused"), [(ON_THE_WAY, True, EXCUSED), (b"", False, NOT_SENT_YET)],
    ids=["on the way", "as it leaves us"],
)  # fmt: skip
def test_no_rule_of_form_fires_for_any_letter_in_any_language(judged, above, named, excused):
    letters = {  # from the ministry with its whole name, or from `Massar`
        f"{language} {template} {event}": letter(template, event, language, name if named else "Massar")
        for language, name in MINISTRY.items() for template, event in CASES
    }  # fmt: skip
    found = judged([above + one for one in letters.values()])
    assert len(found) == len(letters)
    told = {name: rules - set(excused) for name, rules in zip(letters, found, strict=True) if rules - set(excused)}
    assert told == {}


def test_the_filter_does_look_at_the_form(judged):
    """What letters were like before: lines too long, words that nobody sees."""
    good = letter("temporary_password", "", "ar", "Massar")
    long = re.sub(rb"([A-Za-z0-9+/]{76})\r\n([A-Za-z0-9+/]{76}\r\n)", rb"\1\2", good)
    hidden = letter("temporary_password", "", "fr", "Massar").replace(
        b"</body>", b'<div style=3D"display:none;font-size:1px;opacity:0">word</div></body>'
    )
    assert judged([long, hidden, good]) == [
        {*NOT_SENT_YET, "BASE64_LENGTH_79_INF"}, {*NOT_SENT_YET, "FONT_INVIS_MSGID", "WORD_INVIS"}, set(NOT_SENT_YET),
    ]  # fmt: skip
