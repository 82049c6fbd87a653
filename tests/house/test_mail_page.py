"""docs/integrate/dovecot.md holds what the files of deploy/ need."""

from __future__ import annotations

import re

from tests.house.laws import ROOT

PAGE = (ROOT / "docs" / "integrate" / "dovecot.md").read_text("utf-8")
DOVECOT = (ROOT / "deploy" / "dovecot" / "massar.conf").read_text("utf-8")
SUBMISSION = ROOT / "deploy" / "submission"


def test_the_page_makes_the_user_and_the_folder_of_the_mailboxes():
    user, group, home = re.search(r"uid=(\w+) gid=(\w+) home=(/\w+/\w+)/", DOVECOT).groups()
    assert user == group and f"adduser --system --group --home {home} {user}\n" in PAGE
    assert f"chmod 0700 {home}\n" in PAGE


def test_the_alias_of_the_page_is_the_one_in_the_map():
    shown = re.search(r"^/.* .*@.*$", PAGE, re.MULTILINE)[0]
    assert f"#{shown}\n" in (SUBMISSION / "senders").read_text("utf-8")


def test_postfix_asks_where_dovecot_listens():
    asked = re.search(r"smtpd_sasl_path=(\S+)", (SUBMISSION / "master.cf").read_text("utf-8"))[1]
    assert f"unix_listener /var/spool/postfix/{asked} {{" in DOVECOT
