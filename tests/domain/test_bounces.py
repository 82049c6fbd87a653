"""What comes back, read: reports recorded from Postfix (tests/servers/test_postfix.py), older shapes, hostile ones."""

import base64
import quopri

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from massar.config.environment import DEMO_DATA_KEYS
from massar.core import ids
from massar.domain.delivery import api as delivery
from massar.domain.delivery.bounces import Report
from massar.providers.smtp.mime import is_address
from tests.support.bounces import REPORTS, report
from tests.support.steps import production

FAILED, UNDERWAY, DELIVERED = delivery.FAILED, delivery.UNDERWAY, delivery.DELIVERED
read = delivery.bounces.read


@pytest.mark.parametrize(("name", "state", "code"), [
    ("no_mailbox", FAILED, "5.1.1"), ("policy", FAILED, "5.7.1"), ("expired", FAILED, "4.4.1"),
    ("delayed", UNDERWAY, "4.4.1"), ("relayed", UNDERWAY, "2.0.0"), ("delivered", DELIVERED, "2.0.0"),
])  # fmt: skip
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_what_postfix_reports(name, state, code, ends):
    assert read((REPORTS / f"{name}.eml").read_bytes().replace(b"\n", ends)) == Report(state, code)


@pytest.mark.parametrize(("fields", "expected"), [
    ("Action: failed\nStatus: 5.1.10\n", Report(FAILED, "5.1.10")),
    ("Action: FAILED\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550-5.1.1 No such user", Report(FAILED, "5.1.1")),
    ("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 no such user", Report(FAILED, "5.0.0")),
    ("Action: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 5.1.1 x", Report(FAILED, "5.2.2")),
    ("Action: failed\n", Report(FAILED, "")),
    ("Status: 5.1.1 (bad mailbox)\n", Report(FAILED, "5.1.1")),
    ("Status: 4.2.0\n", Report(UNDERWAY, "4.2.0")),
    ("Action: expanded\nStatus: 2.0.0\n", Report(DELIVERED, "2.0.0")),
    ("X: y\n\nAction: delayed\nStatus: 4.7.1\n", Report(UNDERWAY, "4.7.1")),
    ("Action: confused\nStatus: 9.9\nDiagnostic-Code: smtp; 550 5.1.1 nobody", None),
])  # fmt: skip
def test_fields_of_other_servers(fields, expected):
    assert read(report(fields, text="550 5.1.1 its text has no say")) == expected


@pytest.mark.parametrize("kind", [b"message/delivery-status", b"message/global-delivery-status"])
@pytest.mark.parametrize(("encoding", "encoded"), [
    ("8bit", bytes), ("Base64", base64.encodebytes), ("quoted-printable", quopri.encodestring),
])  # fmt: skip
def test_fields_may_be_encoded_where_letters_have_eight_bits(kind, encoding, encoded):
    """RFC 6533 §3: what servers that speak SMTPUTF8 write."""
    fields = "Reporting-MTA: dns; mx\n\nFinal-Recipient: utf-8; عزيز@example.org\nAction: failed\nStatus: 5.1.1\n"
    content = (
        b'Content-Type: multipart/report; report-type=global-delivery-status; boundary="b"\n\n--b\n\nIt did not go.\n'
        b"--b\nContent-Type: %s\nContent-Transfer-Encoding: %s\n\n%s\n--b--\n"
        % (kind, encoding.encode(), encoded(fields.encode()))
    )
    for ends in (b"\n", b"\r\n"):
        assert read(content.replace(b"\n", ends)) == Report(FAILED, "5.1.1")


@pytest.mark.parametrize(("codes", "fault", "ours"), [
    ("5.1.1 5.1.2 5.1.3 5.1.6 5.1.10 5.1.351 5.2.1", True, False),
    ("5.1.0 5.1.7 5.1.8 5.2.2 5.4.4 4.4.7 5.0.0 5.7.124", False, False),
    ("5.7.1 5.7.26 4.7.1", False, True),
])  # fmt: skip
def test_whose_fault_it_is(codes, fault, ours):
    for code in codes.split():
        assert (Report(FAILED, code).address_fault, Report(FAILED, code).configuration_error) == (fault, ours), code
        assert not Report(UNDERWAY, code).address_fault and not Report(UNDERWAY, code).configuration_error


# (what it is, Status, what the server said, whether there is no such address, whether it is about us)
ANSWERS = [
    ("outlook.com", "5.5.0",
     "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [DB5EUR03FT035]", True, False),
    ("outlook.com, no code", "5.0.0",
     "550 Requested action not taken: mailbox unavailable (-2147024891:3747:-214)", True, False),
    ("Exchange Online, edge", "5.4.1",
     "550 5.4.1 Recipient address rejected: Access denied. AS(201806281) "
     "[AM7EUR03FT018.eop-EUR03.prod.protection.outlook.com]", True, False),
    ("Exchange Online, edge, all", "5.4.1",
     "550 5.4.1 All recipient addresses rejected : Access denied [x]", True, False),
    ("Exchange Online", "5.1.10",
     "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", True, False),
    ("Exchange", "5.1.1", "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found", True, False),
    ("Exchange Online, of another server", "5.1.351",
     "550 5.1.351 Remote server returned unknown recipient or mailbox unavailable -> 550 Unknown user a@example.org",
     True, False),
    ("the same, of a full mailbox", "5.1.351",
     "550 5.1.351 Remote server returned unknown recipient or mailbox unavailable -> 552 5.2.2 mailbox full",
     False, False),
    ("the same, of a list", "5.1.351",
     "550 5.1.351 Remote server returned unknown recipient or mailbox unavailable -> 550 blocked, see "
     "https://www.spamhaus.org/query/ip/192.0.2.25", False, True),
    ("Exchange Online, no route", "5.4.1", "550 5.4.1 [internal] Message expired, no answer from host", False, False),
    ("Exchange Online, relay", "5.4.1", "550 5.4.1 Relay Access Denied [x.prod.protection.outlook.com]", False, True),
    ("Exchange Online, closed to others", "5.7.124",
     "550 5.7.124 RESOLVER.RST.SenderNotInAllowedList; not authorized", False, False),
    ("Exchange Online, the recipient's own list", "5.7.513",
     "550 5.7.513 Service unavailable, Client host [192.0.2.25] blocked by a@example.org using Customer Block list",
     False, False),
    ("Exchange Online, a group", "5.7.133",
     "550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check "
     "failed because the sender was not authenticated", False, False),
    ("Exchange Online, a banned address", "5.7.606",
     "550 5.7.606 Access denied, banned sending IP [192.0.2.25]", False, True),
    ("Exchange Online, DMARC", "5.7.509",
     "550 5.7.509 Access denied, sending domain EXAMPLE.MA does not pass DMARC", False, True),
    ("Exchange Online, full", "5.2.2",
     "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException", False, False),
    ("Exchange Online, too fast", "5.2.122",
     "550 5.2.122 The recipient has exceeded their limit for receiving", False, False),
    ("Yahoo", "5.0.0",
     "554 delivery error: dd This user doesn't have a yahoo.com account (a@yahoo.com) [0] - mta1", True, False),
    ("Yahoo, now", "5.0.0", "552 1 Requested mail action aborted, mailbox not found", True, False),
    ("Yahoo, closed", "5.0.0",
     "554 30 Sorry, your message to a@yahoo.com cannot be delivered. This mailbox is disabled (554.30).", True, False),
    ("Yahoo, closed, before", "5.0.0",
     "554 delivery error: dd Sorry your message to a@yahoo.com cannot be delivered. This account has been disabled or "
     "discontinued [#102]. - mta22", True, False),
    ("Yahoo, policy", "5.7.9",
     "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/", False, True),
    ("Yahoo, deferred", "4.7.0",
     "421 4.7.0 [TSS04] Messages from 192.0.2.25 temporarily deferred due to user complaints", False, False),
    ("Gmail", "5.1.1",
     "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the "
     "recipient's email address for typos or 550-5.1.1 unnecessary spaces.", True, False),
    ("Gmail, disabled", "5.2.1",
     "550 5.2.1 The email account that you tried to reach is disabled. p=DisabledUser - gsmtp", True, False),
    ("Gmail, inactive", "5.2.1",
     "550-5.2.1 The email account that you tried to reach is inactive. For more", True, False),
    ("Gmail, at a rate", "5.2.1",
     "550-5.2.1 The user you are trying to contact is receiving mail at a rate that 550-5.2.1 prevents additional "
     "messages from being delivered.", False, False),
    ("Gmail, its rate", "5.2.1",
     "550 5.2.1 The user you are trying to contact has exceeded the rate of mail that can be received.", False, False),
    ("a code of 4xx beside one of 5xx", "5.2.1", "450 4.2.1 The mailbox does not take this now", False, False),
    ("Gmail, too quickly", "5.2.1",
     "550 5.2.1 The user you are trying to contact is receiving mail too quickly.", False, False),
    ("Gmail, full", "5.2.2", "552-5.2.2 The recipient's inbox is out of storage space and inactive.", False, False),
    ("Gmail, full for long", "4.2.2", "452-4.2.2 The recipient's inbox is out of storage space.", False, False),
    ("Gmail, unsigned", "5.7.26",
     "550-5.7.26 This mail has been blocked because the sender is unauthenticated.", False, True),
    ("Postfix, unknown", "5.1.1",
     "550 5.1.1 <a@example.org>: Recipient address rejected: User unknown in relay recipient table", True, False),
    ("Postfix, no code", "5.0.0", "550 <a@example.org>: Recipient address rejected: User unknown", True, False),
    ("Postfix, a listed recipient", "5.7.1",
     "554 5.7.1 <a@example.org>: Recipient address rejected: Access denied", False, False),
    ("Postfix, unknown with another code", "5.7.1",
     "550 5.7.1 <a@sfr.fr>: Recipient address rejected: User unknown", True, False),
    ("Postfix, our sender", "5.1.0",
     "550 5.1.0 <b@example.ma>: Sender address rejected: User unknown in virtual table", False, True),
    ("Postfix, not yet", "4.1.1",
     "450 4.1.1 <a@example.org>: Recipient address rejected: User unknown, try again", False, False),
    ("an address that looks like a reason", "5.1.1", "550 5.1.1 <spam.policy@example.org>: User unknown", True, False),
    ("Exim", "5.0.0", "550 No such person at this address", True, False),
    ("Exim, a list", "5.0.0", "550 192.0.2.25 is in a black list at zen.spamhaus.org", False, True),
    ("Cisco", "5.0.0", "550 #5.1.0 Address rejected.", True, False),
    ("Cisco, of another server", "5.0.0",
     "5.1.0 - Unknown address error 550-'5.7.1 <b@example.ma>... Access denied'", False, True),
    ("Cisco, without the sign", "5.1.0", "550 5.1.0 Address rejected.", True, False),
    ("a sender that can't be read", "5.1.7", "501 5.1.7 Invalid address", False, False),
    ("in French", "5.0.0", "550 Adresse e-mail inexistante", True, False),
    ("Orange", "5.5.0", "550 5.5.0 Adresse destinataire invalide. Invalid recipient. LPN007_416", True, False),
    ("iCloud", "5.1.1", "550 5.1.1 <a@icloud.com>: inactive email address", True, False),
    ("iCloud, full", "5.2.2", "552 5.2.2 <a@icloud.com>: user is over quota", False, False),
    ("Mimecast", "5.0.0", "550 Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550", True, False),
    ("GMX, policy", "5.0.0",
     "550-Requested action not taken: mailbox unavailable 550-Reject due to policy restrictions.", False, True),
    ("GMX, no name", "5.0.0",
     "554-Requested action not taken: mailbox unavailable 554 Invalid DNS MX or A record", False, True),
    ("a translated code, full", "5.1.1", "552 5.2.2 Over quota", False, False),
    ("a translated code, policy", "5.1.1", "550 5.7.1 IP address blacklisted by recipient", False, True),
    ("a limit of ours", "5.1.1",
     "550 5.1.1 <a@example.org> - 192.0.2.25 has sent to too many recipients this hour", False, True),
    ("what the person wishes", "5.1.1", "550 5.1.1 RCP-P2 Rejected due to recipient preferences", False, False),
    ("no such domain, our name server", "5.4.4", "554 5.4.4 Host or domain name not found", False, False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "words", "fault", "ours"), ANSWERS, ids=[one[0] for one in ANSWERS])
def test_what_large_servers_say(name, status, words, fault, ours):
    for field in ("Diagnostic-Code: smtp;", "X-Supplementary-Info: < #x smtp;"):  # RFC 3464, Exchange
        found = read(report(f"Action: failed\nStatus: {status}\nRemote-MTA: dns;mx.example\n{field}{words}\n"))
        assert (found.state, found.address_fault, found.configuration_error) == (FAILED, fault, ours)
    found = read(report(f"Action: delayed\nStatus: {status}\nDiagnostic-Code: smtp;{words}\n"))
    assert (found.state, found.address_fault, found.configuration_error) == (UNDERWAY, False, False), "in between"


EXCHANGE_ONLINE_FOR_PEOPLE = """From: <postmaster@example.com>
Content-Type: multipart/report; report-type=delivery-status; boundary="a"

--a
Content-Type: multipart/alternative; boundary="b"

--b
Content-Type: text/plain; charset="Windows-1252"
Content-Transfer-Encoding: quoted-printable

The email address wasn=92t found at the destination domain.
For more tips see DSN 5.1.10 Errors in Exchange Online.

Remote Server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipien=
t not found by SMTP address lookup'
--b--
--a--
"""


def test_exchange_online_without_fields_is_read_in_its_words_for_people():
    found = read(EXCHANGE_ONLINE_FOR_PEOPLE.encode())
    assert found == Report(FAILED, "5.1.10") and found.address_fault


WITHOUT_A_CODE = {
    "Yahoo": ("MAILER-DAEMON@yahoo.com", "Sorry, we were unable to deliver your message to the following address.\n\n"
              "<a@example.org>:\n550: <a@example.org>: User unknown\n", True),
    "qmail": ("MAILER-DAEMON@mx.example.net", "I'm afraid I wasn't able to deliver your message.\n\n<a@example.org>:\n"
              "192.0.2.32 does not like recipient.\nRemote host said: 550 no such user\nGiving up on 192.0.2.32.\n",
              True),
    "Exim": ("Mailer-Daemon@mx.example.net", "This message was created automatically by mail delivery software.\n\n"
             "  a@example.org\n    SMTP error from remote mail server after RCPT TO:<a@example.org>:\n"
             "    host mx [192.0.2.32]: 550 : User unknown\n", True),
    "Exchange of old": ("postmaster@example.org", "Your message\n\n"
                        "did not reach the following recipient(s):\n\nUnknown Recipient\n", True),
    "not yet": ("MAILER-DAEMON@mx.example.net", "Still trying. 450 User unknown in virtual alias table\n", False),
    "full": ("MAILER-DAEMON@mx.example.net", "550 Mailbox is full, user not found elsewhere\n", False),
    "about us": ("MAILER-DAEMON@mx.example.net", "550 Sender address rejected: user unknown\n", False),
    "a person": ("amina@example.org", "550 User unknown, as they say: I have moved.\n", False),
    "the copy": ("MAILER-DAEMON@mx.example.net", "It did not go.\n\n"
                 "--- Below this line is a copy of the message.\n\nUser unknown\n", False),
}  # fmt: skip


@pytest.mark.parametrize(("sender", "text", "fault"), WITHOUT_A_CODE.values(), ids=WITHOUT_A_CODE)
def test_a_text_without_a_code_counts_only_from_a_mail_server_and_in_plain_words(sender, text, fault):
    found = read(f"From: Mail <{sender}>\nSubject: failure notice\n\n{text}".encode())
    assert bool(found and found.address_fault) == fault and (fault or found is None)


QMAIL = """Hi. This is the qmail-send program at example.net.
I'm afraid I wasn't able to deliver your message to the following addresses.

<a@example.net>:
Sorry, no mailbox here by that name. (#5.1.1)
"""
SENDMAIL = """   ----- The following addresses had permanent fatal errors -----
<a@example.net>
   ----- Transcript of session follows -----
... while talking to mx.example.net.:
>>> MAIL From:<b@example.ma>
<<< 250 2.1.0 ok
>>> RCPT To:<a@example.net>
<<< 550 5.1.1 <a@example.net>... User unknown
"""


@pytest.mark.parametrize(("text", "expected"), [
    (QMAIL, Report(FAILED, "5.1.1")),
    (SENDMAIL, Report(FAILED, "5.1.1")),
    ("host said: 452-4.2.2 mailbox full", Report(UNDERWAY, "4.2.2")),
    ("I am away until Monday. Call 550 12 34. Version 5.1.1 of my answers, at 10.5.1.1", None),
    ("", None),
])  # fmt: skip
@pytest.mark.parametrize("head", ["", "Content-Type: multipart/mixed; boundary=b\n\n--b\n"], ids=["plain", "parts"])
def test_bounces_without_structure_are_read_by_their_code_alone(text, expected, head):
    assert read(f"{head}Content-Type: text/plain; charset=utf-8\n\n{text}\n".encode()) == expected


def test_the_returned_letter_has_no_say():
    inner = "--b\nContent-Type: message/rfc822\n\n" + report("Action: delivered\nStatus: 2.0.0\n").decode() + "\n"
    assert read(report("Action: failed\nStatus: 5.7.1\n", after=inner)) == Report(FAILED, "5.7.1")
    text = "Content-Type: text/plain\n\nfor you\n"
    only = f'Content-Type: multipart/mixed; boundary="c"\n\n--c\n{text}{inner.replace("--b", "--c", 1)}--c--\n'
    assert read(only.encode()) is None


HOSTILE = {
    "nothing": b"",
    "zeros": b"\0" * 100_000,
    "no end": b"Content-Type: multipart/report; boundary=b\n\n--b\n" * 2000,
    "parts in parts": b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(5000)),
    "parts in fields": b"Content-Type: multipart/report; boundary=b\n\n--b\n"
    b"Content-Type: message/global-delivery-status\n\n"
    + b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(200)),
    "letters in letters": b"Content-Type: message/rfc822\n\n" * 15_000,
    "many fields": report("Action: failed\nStatus: 5.1.1\n" * 10_000),
    "many blocks": report("X: y\n\n" * 50_000 + "Action: failed\nStatus: 5.1.1\n"),
    "long line": report("Action: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; " + "550 " * 100_000),
    "long words": report("Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; " + "x" * 200_000 + "<" * 200_000),
    "bad letters": report("Action: failed\nStatus: 5.1.1\n").replace(b"failed", b"f\xff\xfeailed"),
    "bad encoding": b"Content-Transfer-Encoding: base64\nContent-Type: text/plain; charset=no-such\n\n!!!! 550 5.1.1",
    "boundary": b'Content-Type: multipart/report; boundary="' + b"x" * 200_000 + b'"\n\n--x',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_what_is_written_to_do_harm_does_none(content):
    found = read(content)
    assert found is None or found.state in (FAILED, UNDERWAY, DELIVERED)


PIECES = st.sampled_from(
    [b"Content-Type: multipart/report; boundary=b\n\n", b"--b\n", b"--b--\n",
     b"Content-Type: message/delivery-status\n\n", b"Action: failed\n", b"Status: 5.1.1\n", b"\n",
     b"Content-Type: text/plain; charset=utf-16\n\n", b"550 5.1.1 x\n", b"Content-Transfer-Encoding: base64\n",
     b"Content-Type: message/rfc822\n\n", b"Status: \xff\n",
     b"Content-Type: message/global-delivery-status; charset=\xff\n", b"=?utf-8?b?/w==?=\n"]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=30), max_size=25))
def test_reading_never_raises(pieces):
    found = read(b"".join(pieces))
    assert found is None or found.state in (FAILED, UNDERWAY, DELIVERED)


# -- return paths


def test_a_return_path_names_its_message_and_its_address_alone():
    uid = ids.short_token()
    path = delivery.return_path.address(uid, "khadija@example.org", "bounce.example.ma")
    assert is_address(path) and "khadija" not in path
    returned = delivery.return_path.read(path)
    assert returned.uid == uid and returned.was_to("khadija@example.org")
    assert not returned.was_to("fatima@example.org") and not returned.was_to("")
    assert "khadija" not in repr(returned)
    other = delivery.return_path.address(ids.short_token(), "khadija@example.org", "bounce.example.ma")
    assert other.split("-")[1] != path.split("-")[1], "the same address can't be followed from letter to letter"
    local = path.partition("@")[0]
    for spelled in (path.upper(), local, f"{local}@elsewhere.example"):  # as servers may write it
        assert delivery.return_path.read(spelled).was_to("khadija@example.org")


@settings(max_examples=200)
@given(st.integers(2, 60), st.sampled_from("0123456789abcdefghijklmnopqrstuvwxyz-+.@ \u0130\u212a\n"))
def test_a_return_path_with_one_sign_changed_is_none(place, sign):
    path = delivery.return_path.address("aaaaabbbbbcccccdddddz", "a@example.org", "bounce.example.ma")
    changed = path[:place] + sign + path[place + 1 :]
    assert changed == path or delivery.return_path.read(changed) is None


@pytest.mark.parametrize("given", ["", "b+", "postmaster@bounce.example.ma", "b+" + "a" * 5000, "b+\udc80@x"])
def test_other_addresses_are_none_of_ours(given):
    assert delivery.return_path.read(given) is None


def test_a_return_path_outlives_a_change_of_keys():
    path = delivery.return_path.address("aaaaabbbbbcccccdddddz", "a@example.org", "bounce.example.ma")
    new = "k2:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="
    with override_settings(MASSAR=production(MASSAR_DATA_KEYS=f"{new},{DEMO_DATA_KEYS}", MASSAR_MODE="test")):
        assert delivery.return_path.read(path).was_to("a@example.org")
    with override_settings(MASSAR=production(MASSAR_DATA_KEYS=new)):
        assert delivery.return_path.read(path) is None
