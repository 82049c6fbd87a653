"""ATK-144 over PostgreSQL, which writes down every statement, and in the profile of a Chromium that walked the way."""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.cast import YOUSSEF
from tests.support import programs
from tests.support.authenticator import App
from tests.support.canary_walk import PLANTED, Running, Walk, product, read_nowhere, tables_away, written
from tests.support.postgres import Server, server_to_restart
from tests.support.product import CONTACT_CODE, TEMPORARY_PASSWORD

TELLS_ALL = ("log_statement=all", "log_min_error_statement=debug5", "log_error_verbosity=verbose",
             "log_parameter_max_length=-1", "log_parameter_max_length_on_error=-1", "fsync=off")  # fmt: skip


@pytest.fixture
def server() -> Iterator[Server]:
    found = programs.find_postgres()
    if found is None:
        pytest.fail(programs.POSTGRES.sentence) if os.environ.get("CI") else pytest.skip(programs.POSTGRES.sentence)
    with server_to_restart(found, TELLS_ALL) as it:
        yield it


def _dumped(server: Server) -> bytes:
    """The whole database, as a backup of it is."""
    beside = (server.programs / "postgres").resolve().with_name("pg_dump")
    command = [str(beside), server.address]
    return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout


def stored(server: Server, since: float) -> dict[str, bytes]:
    """The server's own log, a dump, and every file of its that changed, write-ahead log included."""
    with psycopg.connect(server.address, autocommit=True) as line:
        line.execute("CREATE TABLE planted (word text)")
        line.execute(f"INSERT INTO planted VALUES ('{PLANTED}')")
        line.execute("CHECKPOINT")
    files, ahead = list[bytes](), list[bytes]()
    for one in (server.folder / "data").rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # some come and go
            if one.is_file() and one.stat().st_mtime >= since:
                (ahead if "pg_wal" in one.parts else files).append(one.read_bytes())
    return {
        "PostgreSQL's log": (server.folder / "log").read_bytes(), "its dump": _dumped(server),
        "its files": b"".join(files), "its write-ahead log": b"".join(ahead),
    }  # fmt: skip


def test_no_secret_can_be_read_anywhere_over_postgresql(tmp_path, server):
    """With pages of faults, and of a database that is away, while the secrets are in the request."""
    since = time.time()
    with product(tmp_path, server.address) as it:
        it.secrets.add("database password", re.search(r":(\w+)@", server.address)[1])
        walk = Walk(it)
        links = walk.all_of_it()
        requests = walk.troubles(links)
        with psycopg.connect(server.address, autocommit=True) as line, tables_away(line.execute):
            faults = [one() for one in requests]
        assert {page.status for page in faults} == {500}
        kept = stored(server, since) | written(it)
        server.stop()
        away = [one() for one in requests]
        assert {page.status for page in away} == {503}
        own = {"pages of faults": faults, "pages while it is away": away}
        pages = {name: walk.without_own_address(some, links) + PLANTED.encode() for name, some in own.items()}
        read_nowhere(it.secrets, {**kept, **pages, "the last log": it.log.read_bytes()})
        server.start()  # so that all end at once


class Seat:
    """A person at a Chromium whose profile stays, on the pages of one product."""

    def __init__(self, it: Running, context: BrowserContext):
        self.it, self.walk, self.context = it, Walk(it), context
        self.page: Page = context.pages[0]

    def open(self, path: str) -> None:
        self.page.goto(f"{self.it.url}{path}")

    def send(self, action: str, **typed: str) -> None:
        """Fill the form that leads there, as fingers do, and press its button."""
        has = "".join(f':has([name="{name}"])' for name in typed)
        form = self.page.locator(f'form[action^="{action}"]{has}').first
        for name, value in typed.items():
            field = form.locator(f'[name="{name}"]:not([type=radio])')
            field.press_sequentially(value)
        with self.page.expect_navigation():
            form.locator("button[type=submit]").last.click()

    def sign_in(self, password: str) -> None:
        self.open("/sign-in/")
        self.send("/sign-in/", user=YOUSSEF.login, password=password)

    def sign_out(self) -> None:
        self.context.clear_cookies()

    def arrived(self, pattern: re.Pattern[str], name: str, before: int) -> str:
        return self.walk.secret_in(pattern, lambda: self.it.office.letters(self.it.email), before, name)

    def letters(self) -> int:
        return len(self.it.office.letters(self.it.email))


def walked(seat: Seat) -> None:
    """Password wrong and right, a contact, an app, its code, a printed code, a code that lets in, a recovery."""
    it, walk = seat.it, seat.walk
    seat.sign_in(it.secrets.new("wrong password"))
    seat.sign_in(it.password)
    new = it.secrets.add("new e-mail", "zq77aa55cc33@example.org")
    seat.open("/profile/")
    seat.send("/profile/", email=new, password=it.password)
    code = walk.secret_in(CONTACT_CODE, lambda: it.office.letters(new), 0, "contact code")
    seat.send("/profile/contacts/", code=code)
    seat.open("/profile/security/")
    seat.send("/profile/security/app/begin/", password=it.password)
    walk.app = App(seat.page.content(), lambda: datetime.now(UTC))
    it.secrets.add("TOTP secret", walk.app.otp.secret)
    seat.send("/profile/security/app/", code=walk.code())
    walk.codes = [
        it.secrets.add("backup code", one) for one in re.findall(r"<li>(\d{4}-\d{4}-\d{4})</li>", seat.page.content())
    ]
    assert walk.codes
    seat.sign_out()
    seat.sign_in(it.password)
    seat.send("/sign-in/second/", code=walk.codes.pop())
    seat.sign_out()
    before = seat.letters()
    seat.open("/let-in/")
    seat.send("/let-in/", user=YOUSSEF.login, email=it.email)
    vouching = seat.arrived(TEMPORARY_PASSWORD, "vouching code", before)
    seat.open("/let-in/code/")
    seat.page.locator("[name=user]").first.fill("")
    seat.send("/let-in/code/", user=YOUSSEF.login, code=vouching)
    before = seat.letters()
    seat.open("/recovery/")
    seat.page.locator("[name=user]").first.fill("")
    seat.send("/recovery/", user=YOUSSEF.login, email=it.email)
    temporary = seat.arrived(TEMPORARY_PASSWORD, "temporary password", before)
    seat.sign_in(temporary)
    seat.send("/sign-in/second/", code=walk.codes.pop())
    seat.open("/password/change/")
    fresh = it.secrets.new("new password")
    seat.send("/password/change/", current=temporary, new=fresh, confirm=fresh)


def test_no_secret_that_opens_anything_stays_in_a_browsers_profile(tmp_path):
    """What was typed and shown, in history, caches, forms, storage and what a restart would bring back. Two things are
    the browser's own: addresses that its forms offer again, and what a restart fills in anew: codes that were typed,
    each of which is used up. No attribute of a field that still takes a code from the phone turns that off."""
    profile, folder = tmp_path / "profile", tmp_path / "product"
    folder.mkdir()
    with product(folder) as it, sync_playwright() as driver:
        options = {"executable_path": programs.find_chromium(), "args": ["--no-sandbox", "--disable-gpu"]}
        context = driver.chromium.launch_persistent_context(profile, **options)
        seat = Seat(it, context)
        walked(seat)
        seat.open(f"/sign-in/?{PLANTED}")
        seat.page.evaluate(f"localStorage.setItem('planted', '{PLANTED}')")
        seat.page.wait_for_timeout(3000)
        context.close()
    parts = {"the profile": b"".join(one.read_bytes() for one in profile.rglob("*") if one.is_file())}
    unused = {value for name, value in it.secrets.met.items() if "backup" in name} & {*seat.walk.codes}
    assert len(unused) == 8
    used = [name for name, value in it.secrets.met.items() if name.rstrip("'").endswith(("code", "e-mail"))
            and value not in unused]  # fmt: skip
    for name in used:
        del it.secrets.met[name]
    read_nowhere(it.secrets, parts)
