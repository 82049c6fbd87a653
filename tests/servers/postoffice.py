"""A mail server for one test run: Postfix with deploy/postfix, Dovecot's LMTP behind it for two mailboxes."""

import contextlib
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from tests.servers.machine import open_folder, program, running
from tests.support.postgres import free_port
from tests.support.product import ROOT
from tests.support.programs import DOVECOT, LMTP, POSTFIX
from tests.support.serving import Receiver

DEPLOY = ROOT / "deploy" / "postfix"
MAILBOXES = ("khadija@example.org", "fatima@example.org")
# Where each domain leads. Dovecot makes no reports, Postfix's own mailboxes (kept.example) do. Nobody listens at the
# port of late.example: its letters wait until they are given back.
TRANSPORT = """
example.org         lmtp:inet:127.0.0.1:{mailboxes}
kept.example        virtual:
late.example        smtp:[127.0.0.1]:{nobody}
policy.example      smtp:[127.0.0.1]:{strict}
"""
SERVICES = """
{port}    inet  n - n - - smtpd
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
lmtp      unix  - - n - - lmtp
virtual   unix  - n n - - virtual
error     unix  - - n - - error
retry     unix  - - n - - error
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
showq     unix  n - n - - showq
flush     unix  n - n 1000? 0 flush
postlog   unix-dgram n - n - 1 postlogd
"""
HASTE = """
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = static:kept/
virtual_uid_maps = static:{owner.pw_uid}
virtual_gid_maps = static:{owner.pw_gid}
virtual_minimum_uid = 1
disable_dns_lookups = yes
smtp_host_lookup = native
smtp_connect_timeout = 2s
smtp_tls_security_level = none
maximal_queue_lifetime = 6s
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
delay_warning_time = 3s
smtpd_recipient_restrictions =
    check_recipient_access inline:{{ {{listed@example.org = REJECT}}, {{grey.example = 450 4.7.1 Greylisted}} }}
"""
DOVECOT_CONF = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
listen = 127.0.0.1
protocols = lmtp
ssl = no
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%n
default_internal_user = nobody
default_login_user = nobody
default_internal_group = nogroup
postmaster_address = postmaster@example.org
service lmtp {{
  inet_listener lmtp {{
    port = {port}
  }}
  chroot =
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
passdb {{
  driver = static
  args = nopassword=y
}}
"""


@dataclass
class PostOffice:
    """A running Postfix on `port`; `mail` is the folder with the mailboxes. `bounces` is where reports are handed
    to; `queue()` is what waits, as `mailq` prints it."""

    port: int
    bounces: int
    mail: Path
    queue: Callable[[], str]

    def letters(self, mailbox: str) -> list[EmailMessage]:
        """What has arrived in a mailbox."""
        folder = self.mail / mailbox.partition("@")[0] / "new"
        return [message_from_bytes(p.read_bytes(), policy=default) for p in sorted(folder.glob("*"))]


class _Strict:
    """A mail server that wants nothing of us."""

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        return "550 5.7.1 Your server is on our list"


@contextlib.contextmanager
def open_post_office() -> Iterator[PostOffice]:
    """Postfix, the mailboxes, and a server that refuses by policy, until the block is left."""
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only.")
    postfix, dovecot = program(POSTFIX), program(DOVECOT)
    program(LMTP)
    at = {name: free_port() for name in ("smtp", "mailboxes", "bounces", "nobody", "strict")}

    def queue_of() -> str:
        listing = [str(Path(postfix).with_name("postqueue")), "-c", str(folder / "postfix"), "-p"]
        return subprocess.run(listing, capture_output=True, text=True, timeout=30).stdout

    strict = Controller(_Strict(), hostname="127.0.0.1", port=at["strict"])
    with open_folder() as folder:
        _furnish_postfix(folder, at)
        _furnish_dovecot(folder, at["mailboxes"])
        strict.start()
        try:
            with (
                running([dovecot, "-F", "-c", str(folder / "dovecot.conf")], folder=folder,
                        ports=(at["mailboxes"],), logs=("dovecot.log",)),
                running([postfix, "-c", str(folder / "postfix"), "start-fg"], folder=folder,
                        ports=(at["smtp"],), logs=("maillog",)),
            ):  # fmt: skip
                try:
                    yield PostOffice(at["smtp"], at["bounces"], folder / "mail", queue_of)
                finally:  # its master leads a process group of its own
                    subprocess.run([postfix, "-c", folder / "postfix", "stop"], capture_output=True, timeout=30)
        finally:
            strict.stop()


def _furnish_postfix(folder: Path, at: dict[str, int]) -> None:
    """The files of deploy/ with the ports and haste of this run, without the signer."""
    conf = folder / "postfix"
    for made in (conf, folder / "queue", folder / "data"):
        made.mkdir()
    shutil.chown(folder / "data", "postfix")
    main = (DEPLOY / "main.cf").read_text("utf-8").replace("/etc/postfix/", f"{conf}/")
    main = re.sub(r"^(smtpd_milters|milter_default_action|smtp_tls_\w+) = .*\n", "", main, flags=re.MULTILINE)
    hasty = HASTE.format(folder=folder, owner=pwd.getpwnam("nobody"))
    for name in re.findall(r"^(\w+) = ", hasty, re.MULTILINE):
        main = re.sub(rf"^{name} = .*\n", "", main, flags=re.MULTILINE)
    (conf / "main.cf").write_text(main + hasty, "utf-8")
    (conf / "master.cf").write_text(SERVICES.format(port=f"127.0.0.1:{at['smtp']}"), "utf-8")
    transport = (DEPLOY / "transport").read_text("utf-8").replace("127.0.0.1:2424", f"127.0.0.1:{at['bounces']}")
    (conf / "transport").write_text(transport + TRANSPORT.format(**at), "utf-8")


def _furnish_dovecot(folder: Path, port: int) -> None:
    owner = pwd.getpwnam("nobody")
    (folder / "mail").mkdir()
    os.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
    users = [f"{box}::{owner.pw_uid}:{owner.pw_gid}::{folder}/mail/{box.partition('@')[0]}::\n" for box in MAILBOXES]
    (folder / "users").write_text("".join(users))
    (folder / "dovecot.conf").write_text(DOVECOT_CONF.format(folder=folder, port=port), "utf-8")


@contextlib.contextmanager
def catching(port: int) -> Iterator[list[tuple[str, bytes]]]:
    """Our own LMTP server on that port; what it is handed: (recipient, report)."""
    receiver = Receiver(port)
    try:
        yield receiver.taken
    finally:
        receiver.stop()
