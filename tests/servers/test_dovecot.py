"""A real mailbox opens with the account: Dovecot with deploy/dovecot, Python's own IMAP and SMTP clients, TLS, no password."""

from __future__ import annotations

import base64
import getpass
import imaplib
import json
import os
import pwd
import re
import smtplib
import ssl
from email.message import EmailMessage

import pytest
import trustme
from aiosmtpd.controller import Controller

from tests.cast import YOUSSEF
from tests.servers.machine import open_folder, program, running
from tests.servers.oidc_steps import tokens
from tests.servers.sites import SECRETS
from tests.servers.surfer import Surfer
from tests.support.product import ROOT
from tests.support.programs import DOVECOT, SUBMISSION

DEPLOY = ROOT / "deploy" / "dovecot"
HERE = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
auth_verbose = yes
auth_debug = yes
listen = 127.0.0.1
first_valid_uid = 1
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.key
{users}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imap}
    ssl = yes
  }}
}}
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {submission}
  }}
  inet_listener submissions {{
    port = 0
  }}
}}
service anvil {{
  chroot =
  # Repeated failures make Dovecot wait ever longer; here they are on purpose.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
auth_failure_delay = 0
"""


class _Relay:
    """The mail server proper: keeps what submission hands on."""

    def __init__(self):
        self.kept = []

    async def handle_DATA(self, server, session, envelope):
        self.kept.append(envelope)
        return "250 kept"


@pytest.fixture(scope="module")
def relay(layout):
    keeper = _Relay()
    server = Controller(keeper, hostname="127.0.0.1", port=layout.port("relay"))
    server.start()
    yield keeper
    server.stop()


@pytest.fixture(scope="module")
def trust(account, layout, relay):
    """A running Dovecot; the TLS context that believes it."""
    binary = program(DOVECOT)
    program(SUBMISSION)
    authority = trustme.CA()
    with open_folder() as folder:
        pair = authority.issue_cert("127.0.0.1", "localhost")
        pair.cert_chain_pems[0].write_to_path(folder / "server.pem")
        pair.private_key_pem.write_to_path(folder / "server.key")
        (folder / "dovecot.conf").write_text(_conf(account, layout, folder))
        (folder / "massar-oauth2.conf.ext").write_text(_oauth2(account))
        ports = (layout.port("imap"), layout.port("submission"))
        with running(
            [binary, "-F", "-c", str(folder / "dovecot.conf")],
            folder=folder,
            ports=ports,
            logs=("dovecot.log",),
        ):
            context = ssl.create_default_context()
            authority.configure_trust(context)
            yield context


def _conf(account, layout, folder) -> str:
    """The file of deploy/ with the paths and accounts of this run."""
    root = os.geteuid() == 0
    owner = pwd.getpwnam("nobody" if root else getpass.getuser())
    (folder / "mail").mkdir()
    os.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
    text = (DEPLOY / "massar.conf").read_text("utf-8").replace("/etc/dovecot/", f"{folder}/")
    text = text.replace(
        "uid=vmail gid=vmail home=/var/vmail", f"uid={owner.pw_uid} gid={owner.pw_gid} home={folder}/mail"
    )
    text = text.replace("submission_relay_port = 25", f"submission_relay_port = {layout.port('relay')}")
    users = "" if root else f"default_internal_user = {owner.pw_name}\ndefault_login_user = {owner.pw_name}"
    return text + HERE.format(
        folder=folder, imap=layout.port("imap"), submission=layout.port("submission"), users=users
    )


def _oauth2(account) -> str:
    text = (DEPLOY / "massar-oauth2.conf.ext").read_text("utf-8")
    text = re.sub(
        r"https://dovecot:SECRET@compte\.example\.ma",
        f"http://dovecot:{SECRETS['dovecot']}@{account.url[7:]}",
        text,
    )
    return re.sub(r"^tls_ca.*\n", "", text, flags=re.MULTILINE)


@pytest.fixture
def token(trust, account, layout, surfer) -> str:
    """What a mail program holds after its person signed in: an access token for mail."""
    account.sign_in(surfer)
    return tokens(account, layout, surfer, "mail", "openid email mail")["access_token"]


def oauthbearer(login: str, token: str) -> str:
    """RFC 7628 §3.1."""
    return f"n,a={login},\x01host=127.0.0.1\x01port=993\x01auth=Bearer {token}\x01\x01"


def xoauth2(login: str, token: str) -> str:
    return f"user={login}\x01auth=Bearer {token}\x01\x01"


WAYS = {"OAUTHBEARER": oauthbearer, "XOAUTH2": xoauth2}


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


@pytest.mark.parametrize("way", WAYS)
def test_somebody_elses_mailbox_does_not_open(mailbox, token, way):
    with pytest.raises(imaplib.IMAP4.error):
        mailbox.authenticate(
            way, lambda answer: b"" if answer else WAYS[way]("jamal.jalal@taalim.ma", token).encode()
        )


def test_a_token_of_another_site_or_for_another_purpose_opens_nothing(mailbox, account, layout, trust):
    surfer = Surfer()
    account.sign_in(surfer)
    other = tokens(account, layout, surfer, "mail", "openid email")["access_token"]
    for wrong in (other, "x" * 43, ""):
        with (
            imaplib.IMAP4_SSL("127.0.0.1", layout.port("imap"), ssl_context=trust) as box,
            pytest.raises(imaplib.IMAP4.error),
        ):
            box.authenticate(
                "XOAUTH2",
                lambda answer, wrong=wrong: b"" if answer else xoauth2(YOUSSEF.login, wrong).encode(),
            )


def test_after_signing_out_the_token_opens_nothing(mailbox, token, account, surfer):
    account.sign_out(surfer)
    with pytest.raises(imaplib.IMAP4.error):
        mailbox.authenticate(
            "OAUTHBEARER", lambda answer: b"" if answer else oauthbearer(YOUSSEF.login, token).encode()
        )


def test_a_letter_is_submitted(trust, token, layout, relay):
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = YOUSSEF.login, "khadija.idrissi@taalim.ma", "Réunion"
    letter.set_content("À lundi.")
    with smtplib.SMTP("127.0.0.1", layout.port("submission")) as wire:
        wire.starttls(context=trust)
        wire.ehlo()
        code, said = wire.docmd(
            f"AUTH XOAUTH2 {base64.b64encode(xoauth2(YOUSSEF.login, token).encode()).decode()}"
        )
        assert code == 235, said
        wire.send_message(letter)
    kept = relay.kept[-1]
    assert kept.mail_from == YOUSSEF.login and kept.rcpt_tos == ["khadija.idrissi@taalim.ma"]


def test_submission_refuses_a_stranger(trust, layout):
    with smtplib.SMTP("127.0.0.1", layout.port("submission")) as wire:
        wire.starttls(context=trust)
        wire.ehlo()
        assert wire.docmd("MAIL FROM:<x@example.org>")[0] >= 500
        code, said = wire.docmd(
            f"AUTH XOAUTH2 {base64.b64encode(xoauth2(YOUSSEF.login, 'x' * 43).encode()).decode()}"
        )
        if code == 334:  # the reason, which the client acknowledges (RFC 7628 §3.2.3)
            assert json.loads(base64.b64decode(said))["status"] in ("401", "400", "invalid_token")
            code, said = wire.docmd("")
        assert code >= 500
