"""A real mailbox opens with the account: Dovecot with deploy/dovecot, Python's IMAP and SMTP, TLS, no password."""

import base64
import contextlib
import imaplib
import json
import re
import smtplib
import socket
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest

from massar.core import ids
from massar.domain.delivery import api as delivery
from massar.providers import registry
from massar.providers.smtp import connection
from tests.cast import KHADIJA, YOUSSEF
from tests.contracts.conftest import send
from tests.servers import dovecot, submission
from tests.servers.dovecot import WAYS, running_dovecot
from tests.servers.machine import open_folder
from tests.servers.oidc_steps import discovered, posted, tokens
from tests.servers.surfer import Surfer
from tests.support.postgres import free_port
from tests.support.waits import until

COLLEAGUE = KHADIJA.login
PATIENCE = 30  # seconds for a letter


@pytest.fixture(scope="module")
def folder():
    with open_folder() as it:
        submission.make_queue(it)
        yield it


@pytest.fixture(scope="module")
def trust(account, layout, folder):
    """A running Dovecot; the TLS context that believes it."""
    with running_dovecot(folder, account, layout.port("imap")) as context:
        yield context


@pytest.fixture(scope="module")
def postfix(trust, layout, folder):
    """A running Postfix with deploy/submission; its log."""
    with submission.running_postfix(folder, layout.port("submission"), COLLEAGUE, YOUSSEF.login) as log:
        yield log


@pytest.fixture
def token(trust, account, layout, surfer) -> str:
    """What a mail program holds after its person signed in: an access token for mail."""
    account.sign_in(surfer)
    return tokens(account, layout, surfer, "mail", "openid email mail")["access_token"]


@pytest.fixture
def mailbox(trust, layout):
    with imaplib.IMAP4_SSL("127.0.0.1", layout.port("imap"), ssl_context=trust) as box:
        yield box


@pytest.mark.parametrize("way", WAYS)
def test_the_mailbox_opens_and_keeps_a_letter(mailbox, token, way):
    assert f"AUTH={way}" in mailbox.capabilities and "AUTH=PLAIN" not in mailbox.capabilities
    assert mailbox.authenticate(way, lambda _: WAYS[way](YOUSSEF.login, token).encode())[0] == "OK"
    subject = f"Convocation {way}"
    mailbox.append("INBOX", "", None, f"Subject: {subject}\r\n\r\nLundi, 9 h.\r\n".encode())
    assert mailbox.select("INBOX")[0] == "OK"
    found = mailbox.search(None, "SUBJECT", f'"{subject}"')[1][0].split()
    assert len(found) >= 1


def refused(box, way: str, login: str, token: str) -> None:
    with pytest.raises(imaplib.IMAP4.error):
        box.authenticate(way, lambda answer: b"" if answer else WAYS[way](login, token).encode())


@pytest.mark.parametrize("way", WAYS)
def test_somebody_elses_mailbox_does_not_open_and_after_signing_out_the_own_does_not(
    mailbox, token, account, surfer, layout, trust, way
):
    refused(mailbox, way, "jamal.jalal@taalim.ma", token)
    account.sign_out(surfer)
    with imaplib.IMAP4_SSL("127.0.0.1", layout.port("imap"), ssl_context=trust) as box:
        refused(box, way, YOUSSEF.login, token)


def test_a_token_of_another_site_or_for_another_purpose_opens_nothing(account, layout, trust):
    surfer = Surfer()
    account.sign_in(surfer)
    other = tokens(account, layout, surfer, "mail", "openid email")["access_token"]
    for wrong in (other, "x" * 43, ""):
        with imaplib.IMAP4_SSL("127.0.0.1", layout.port("imap"), ssl_context=trust) as box:
            refused(box, "XOAUTH2", YOUSSEF.login, wrong)


# Programs that stay signed in ---------------------------------------------------------------------------------------


def opens(layout, trust, token: str) -> bool:
    return dovecot.opens(layout.port("imap"), trust, YOUSSEF.login, token)


def sign_out_everywhere(account) -> None:
    later = Surfer()
    account.sign_in(later)
    later.open(f"{account.url}/sign-out/everywhere/")
    later.submit("/sign-out/everywhere/")


def ended(account, client: str, held: dict) -> bool:
    page = posted(account, client, grant_type="refresh_token", refresh_token=held["refresh_token"])
    return page.status == 400 and json.loads(page.text)["error"] == "invalid_grant"


def renewed(account, held: dict) -> dict:
    page = posted(account, "mailprogram", grant_type="refresh_token", refresh_token=held["refresh_token"])
    assert page.status == 200, page.text
    return json.loads(page.text)


def test_a_mail_program_goes_on_after_a_sign_out_but_not_after_one_everywhere(account, layout, trust):
    surfer, back = Surfer(), f"http://127.0.0.1:{free_port()}/"
    account.sign_in(surfer)
    first = tokens(account, layout, surfer, "mailprogram", "openid email mail offline_access", back)
    assert opens(layout, trust, first["access_token"])
    surfer.stops_at = ""
    account.sign_out(surfer)
    second = renewed(account, first)
    assert second["access_token"] != first["access_token"] and opens(layout, trust, second["access_token"])
    sign_out_everywhere(account)
    assert not opens(layout, trust, second["access_token"]) and not opens(layout, trust, first["access_token"])
    assert ended(account, "mailprogram", second)


def test_a_program_without_days_of_its_own_ends_with_the_session(account, layout, trust, surfer):
    account.sign_in(surfer)
    held = tokens(account, layout, surfer, "mail", "openid email mail offline_access")
    assert opens(layout, trust, held["access_token"])
    account.sign_out(surfer)
    assert not opens(layout, trust, held["access_token"]) and ended(account, "mail", held)


# Letters ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def wire(trust, postfix, layout):
    with smtplib.SMTP_SSL("127.0.0.1", layout.port("submission"), context=trust) as it:
        it.ehlo()
        yield it


def give(wire, way: str, login: str, token: str) -> tuple[int, bytes]:
    """Postfix's answer to the token; the reason that Dovecot gives first is acknowledged (RFC 7628 §3.2.3)."""
    code, said = wire.docmd(f"AUTH {way} {base64.b64encode(WAYS[way](login, token).encode()).decode()}")
    if code == 334:
        assert json.loads(base64.b64decode(said))["status"] in ("401", "400", "invalid_token")
        code, said = wire.docmd(base64.b64encode(b"\x01").decode())
    return code, said


def envelope(wire, sender: str, to: str = COLLEAGUE) -> tuple[int, str]:
    """The answer to the whole envelope: what is wrong with the sender is told at the recipient (smtpd_delay_reject)."""
    code, said = wire.docmd(f"MAIL FROM:<{sender}>")
    if code == 250:
        code, said = wire.docmd(f"RCPT TO:<{to}>")
    return code, said.decode()


def arrived(folder, subject: str) -> EmailMessage:
    """The letter in the colleague's Maildir, as soon as it is there."""
    local, _, domain = COLLEAGUE.partition("@")
    new = folder / "mail" / domain / local / "Maildir" / "new"

    def found() -> EmailMessage | None:
        letters = (message_from_bytes(path.read_bytes(), policy=default) for path in new.glob("*"))
        return next((letter for letter in letters if letter["Subject"] == subject), None)

    return until(found, PATIENCE)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("spelt", [str, str.upper, str.title])
def test_a_letter_from_the_own_address_arrives(wire, token, folder, way, spelt):
    assert "PLAIN" not in wire.esmtp_features["auth"] and way in wire.esmtp_features["auth"]
    assert give(wire, way, spelt(YOUSSEF.login), token)[0] == 235
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = YOUSSEF.login, COLLEAGUE, f"Réunion {way} {spelt.__name__}"
    letter.set_content("À lundi.")
    wire.send_message(letter, from_addr=spelt(YOUSSEF.login))
    kept = arrived(folder, letter["Subject"])
    assert kept["Return-Path"].lower() == f"<{YOUSSEF.login}>"
    assert f"Authenticated sender: {YOUSSEF.login}" in kept["Received"]


@pytest.mark.parametrize("sender", [
    COLLEAGUE, COLLEAGUE.upper(), "nobody.yet@taalim.ma", "youssef.benali@example.org", "youssef.benali",
    f"{YOUSSEF.login}.example.org", "youssef.benali+x@men.gov.ma",
    f'"x {YOUSSEF.login} y"@taalim.ma', f'"x,{YOUSSEF.login},y"@taalim.ma', f"@taalim.ma:{COLLEAGUE}",
])  # fmt: skip
def test_nobody_writes_as_somebody_else(wire, token, sender):
    assert give(wire, "XOAUTH2", YOUSSEF.login, token)[0] == 235
    code, said = envelope(wire, sender)
    assert code == 553 and f"not owned by user {YOUSSEF.login}" in said, said
    assert wire.docmd("DATA")[0] >= 500


def test_nobody_writes_as_nobody_and_an_alias_of_the_map_is_open_to_those_it_names(wire, token, folder):
    assert give(wire, "XOAUTH2", YOUSSEF.login, token)[0] == 235
    code, said = envelope(wire, "")
    assert code == 553 and "Write your own address as MAIL FROM" in said, said
    wire.rset()
    assert envelope(wire, "Direction.Rabat@taalim.ma")[0] == 250
    assert wire.data(b"Subject: Convocation de la cellule\r\n\r\nLundi.\r\n")[0] == 250
    assert arrived(folder, "Convocation de la cellule")["Return-Path"] == "<Direction.Rabat@taalim.ma>"


def test_without_a_token_nothing_is_accepted(wire):
    here, away = COLLEAGUE, "x@example.org"
    for sender, to in ((YOUSSEF.login, here), (away, here), ("", here), ("", away)):
        code, said = envelope(wire, sender, to)
        assert code >= 500 and ("denied" in said or "not logged in" in said or "MAIL FROM" in said), said
        assert wire.docmd("DATA")[0] >= 500
        wire.rset()


@pytest.mark.parametrize("way", WAYS)
def test_a_token_that_is_none_or_somebody_elses_submits_nothing(wire, token, way):
    for login, wrong in ((YOUSSEF.login, "x" * 43), (YOUSSEF.login, ""), (COLLEAGUE, token)):
        assert give(wire, way, login, wrong)[0] >= 500
    assert envelope(wire, YOUSSEF.login)[0] >= 500


def test_no_token_travels_in_the_clear(postfix, layout):
    """Postfix waits for TLS: it says nothing, or hangs up."""
    with socket.create_connection(("127.0.0.1", layout.port("submission")), timeout=PATIENCE) as wire:
        wire.sendall(b"EHLO here\r\nAUTH XOAUTH2 eA==\r\n")
        heard = b""
        with contextlib.suppress(ConnectionResetError):
            heard = wire.recv(1000)
        assert not re.match(rb"[2-5]\d\d", heard)


# Our own provider ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_our_provider_signs_in_at_a_server_that_takes_only_tokens(
    postfix, account, layout, folder, surfer, tmp_path, monkeypatch, way
):
    """Postfix with Dovecot's SASL, tokens by the refresh token of a program, as at Google and Microsoft."""
    account.sign_in(surfer)
    back = f"http://127.0.0.1:{free_port()}/"
    held = tokens(account, layout, surfer, "mailprogram", "openid email mail offline_access", back)
    (tmp_path / "refresh").write_text(held["refresh_token"])
    monkeypatch.setattr(connection, "WAYS", {way: connection.WAYS[way]})
    table = {
        "kind": "smtp", "host": "127.0.0.1", "port": layout.port("submission"), "security": "tls",
        "user": YOUSSEF.login, "sender": YOUSSEF.login, "ca_file": str(folder / "ca.pem"), "auth": {
            "kind": "oauth2", "token_url": discovered(account)["token_endpoint"], "client_id": "mailprogram",
            "refresh_token": f"file:{tmp_path}/refresh",
        },
    }  # fmt: skip
    provider = registry.provider_from_table(table, name="mail")
    assert provider.check() == []
    assert isinstance(send(provider, letter(f"Essai {way}")), delivery.Accepted)
    assert arrived(folder, f"Essai {way}")["From"] == f"Massar <{YOUSSEF.login}>"
    sign_out_everywhere(account)
    provider.close()  # the connection that was kept is signed in already
    assert send(provider, letter("Trop tard")) == delivery.Rejected(
        "no token: http 400, invalid_grant", permanent=False, configuration_error=True
    )


def letter(subject: str) -> delivery.OutboundMessage:
    return delivery.OutboundMessage(ids.short_token(), "email", COLLEAGUE, "fr", subject, "Bonjour.\n")
