"""The mail server proper of one test run: Postfix with deploy/submission, which asks Dovecot about tokens."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.machine import program, running
from tests.servers.pages import block
from tests.servers.postoffice import SERVICES
from tests.support.product import ROOT
from tests.support.programs import POSTFIX

UID = 142  # owns the mailboxes, as a number that Debian's `adduser --system` gives; it needs no name
DEPLOY = ROOT / "deploy" / "submission"
PAGE = "docs/integrate/dovecot.md"
MAIN = """
compatibility_level = 3.6
myhostname = mail.example.ma
mydestination =
local_transport = error:no mailbox here
alias_maps =
inet_interfaces = loopback-only
mynetworks = 127.0.0.0/8
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
virtual_transport = virtual
virtual_mailbox_domains = taalim.ma
virtual_mailbox_base = {folder}/mail
virtual_mailbox_maps = inline:{{ {{ {mailbox} = taalim.ma/{local}/Maildir/ }} }}
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
virtual_minimum_uid = 1
smtpd_tls_cert_file = {folder}/server.pem
smtpd_tls_key_file = {folder}/server.key
"""


def make_queue(folder: Path) -> None:
    """The queue with its private folder, where Dovecot listens; as root, Postfix's own."""
    private = folder / "queue" / "private"
    private.mkdir(parents=True, mode=0o755)
    if os.geteuid() == 0:
        program(POSTFIX)
        shutil.chown(private, "postfix")


@contextlib.contextmanager
def running_postfix(folder: Path, port: int, mailbox: str, alias_of: str) -> Iterator[Path]:
    """Postfix takes letters on that port and brings them to one mailbox below {folder}/mail; its log."""
    if os.geteuid() != 0:
        pytest.skip("Postfix starts as root only.")
    postfix = program(POSTFIX)
    conf = folder / "postfix"
    conf.mkdir()
    (folder / "data").mkdir()
    shutil.chown(folder / "data", "postfix")
    local = mailbox.partition("@")[0]
    main = MAIN.format(folder=folder, mailbox=mailbox, local=local, uid=UID)
    (conf / "main.cf").write_text(main, "utf-8")
    ours = (DEPLOY / "master.cf").read_text("utf-8").replace("/etc/postfix/", f"{conf}/")
    ours, found = re.subn(r"^465 ", f"127.0.0.1:{port} ", ours, flags=re.MULTILINE)
    assert found == 1
    other_services = re.sub(r"^\{port\}.*\n", "", SERVICES, flags=re.MULTILINE)
    (conf / "master.cf").write_text(other_services + ours, "utf-8")
    senders = (DEPLOY / "senders").read_text("utf-8")
    alias = block(PAGE, "/^direction")
    assert "omar.alaoui@taalim.ma" in alias
    (conf / "senders").write_text(alias.replace("omar.alaoui@taalim.ma", alias_of) + senders, "utf-8")
    command = [postfix, "-c", str(conf), "start-fg"]
    with running(command, folder=folder, ports=(port,), logs=("maillog",)):
        try:
            yield folder / "maillog"
        finally:  # its master leads a process group of its own
            subprocess.run([postfix, "-c", str(conf), "stop"], capture_output=True, timeout=30)
