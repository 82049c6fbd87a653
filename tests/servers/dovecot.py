"""A Dovecot for one test run: the files of deploy/dovecot with the paths, ports and accounts of this machine."""

import contextlib
import getpass
import imaplib
import os
import re
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import trustme

from tests.servers import submission
from tests.servers.account import Account
from tests.servers.machine import program, running
from tests.servers.sites import SECRETS
from tests.support.product import ROOT
from tests.support.programs import DOVECOT

DEPLOY = ROOT / "deploy" / "dovecot"
HERE = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
auth_verbose = yes
auth_debug = yes
listen = 127.0.0.1
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
service anvil {{
  chroot =
}}
# A refusal is kept back for a while; whom it holds up is the one who is refused.
auth_failure_delay = 0
"""


@contextlib.contextmanager
def running_dovecot(
    folder: Path, account: Account, port: int, *, before: str = "", after: str = "", changed: Callable[[str], str] = str
) -> Iterator[ssl.SSLContext]:
    """Dovecot on that port, in a folder that others can read; the TLS context that believes it (by {folder}/ca.pem).

    `before` and `after`: what an operator has in files that are read before and after ours, which `changed` changes.
    """
    binary = program(DOVECOT)
    authority = trustme.CA()
    pair = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    pair.cert_chain_pems[0].write_to_path(folder / "server.pem")
    pair.private_key_pem.write_to_path(folder / "server.key")
    (folder / "dovecot.conf").write_text(before + changed(_conf(port, folder)) + after)
    (folder / "massar-oauth2.conf.ext").write_text(_oauth2(account))
    (folder / "massar-oauth2.conf.ext").chmod(0o600)
    command = [binary, "-F", "-c", str(folder / "dovecot.conf")]
    with running(command, folder=folder, ports=(port,), logs=("dovecot.log",)):
        context = ssl.create_default_context()
        authority.configure_trust(context)
        yield context


def _conf(port: int, folder: Path) -> str:
    root = os.geteuid() == 0
    uid, gid = (submission.UID, submission.UID) if root else (os.getuid(), os.getgid())
    (folder / "mail").mkdir()
    os.chown(folder / "mail", uid, gid)
    text = (DEPLOY / "massar.conf").read_text("utf-8").replace("/etc/dovecot/", f"{folder}/")
    text = text.replace("uid=vmail gid=vmail home=/var/vmail", f"uid={uid} gid={gid} home={folder}/mail")
    text = text.replace("/var/spool/postfix/", f"{folder}/queue/")
    if not root:  # Postfix's user can't be given the socket
        text = re.sub(r"^ +(user|group) = postfix\n", "", text, flags=re.MULTILINE)
    users = "" if root else f"default_internal_user = {getpass.getuser()}\ndefault_login_user = {getpass.getuser()}"
    return text + HERE.format(folder=folder, imap=port, users=users)


def _oauth2(account: Account) -> str:
    text = (DEPLOY / "massar-oauth2.conf.ext").read_text("utf-8")
    address = f"http://dovecot:{SECRETS['dovecot']}@{account.url[7:]}"
    text = re.sub(r"https://dovecot:SECRET@compte\.example\.ma", address, text)
    return re.sub(r"^tls_ca.*\n", "", text, flags=re.MULTILINE)


def oauthbearer(login: str, token: str) -> str:
    """RFC 7628 §3.1."""
    return f"n,a={login},\x01host=127.0.0.1\x01port=993\x01auth=Bearer {token}\x01\x01"


def xoauth2(login: str, token: str) -> str:
    return f"user={login}\x01auth=Bearer {token}\x01\x01"


WAYS = {"OAUTHBEARER": oauthbearer, "XOAUTH2": xoauth2}


def opens(port: int, trust: ssl.SSLContext, login: str, token: str) -> bool:
    """Whether a connection of its own gets into that person's mailbox."""
    with imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=trust, timeout=60) as box:
        try:
            box.authenticate("XOAUTH2", lambda answer: b"" if answer else xoauth2(login, token).encode())
        except imaplib.IMAP4.error:
            return False
        return box.select("INBOX")[0] == "OK"
