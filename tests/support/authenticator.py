"""An app that shows codes, on a phone with the test's clock; and the steps by which people set one up and use it."""

import re

import pyotp

from tests.support.visitor import Visitor

KEY = re.compile(r'id="app-key">([A-Z2-7 ]+)<')
BACKUP = re.compile(r"<li>(\d{4}-\d{4}-\d{4})</li>")


class App:
    """Reads the key off the page, as a person types it, and shows the code of the moment."""

    def __init__(self, html: str, clock):
        self.otp, self.clock = pyotp.TOTP(KEY.search(html)[1].replace(" ", "")), clock

    @property
    def code(self) -> str:
        return self.otp.at(self.clock())

    def code_at(self, seconds: float) -> str:
        return self.otp.at(self.clock().timestamp() + seconds)


def add_app(visitor: Visitor, password: str, clock) -> tuple[App, list[str]]:
    """Set an app up on the page of a person who is signed in; returns it with the backup codes that were shown."""
    visitor.get("/profile/security/").submit("/profile/security/app/begin/", password=password)
    app = App(visitor.html, clock)
    visitor.submit("/profile/security/app/", code=app.code)
    clock.advance(seconds=30)  # a code is good once: the next step begins
    return app, backup_codes(visitor)


def backup_codes(visitor: Visitor) -> list[str]:
    return BACKUP.findall(visitor.html)


def second_step(visitor: Visitor, code: str, **more: str) -> Visitor:
    """Type a code into the page of the second step that is in front of us."""
    return visitor.submit("/sign-in/second/", code=code, **more)
