"""What each page weighs on the wire: head and body of every answer a browser with an empty cache receives, in bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench import people
from bench.client import Browser
from bench.load import fetch_form, post_sign_in

STYLE = re.compile(rb'<link rel="stylesheet" href="([^"]+)"')
SCRIPT = re.compile(rb'<script[^>]* src="([^"]+)"')
ICON = re.compile(rb'<link rel="icon" href="([^"]+)"')
FONT = re.compile(rb"url\([\"']?([^\"')]+\.woff2)")
OPEN_PAGES = {
    "sign-in": "/sign-in/",
    "recovery, form": "/recovery/",
    "recovery, what happens next": "/recovery/asked/",
}
OWN_PAGES = {
    "home": "/",
    "profile": "/profile/",
    "change password": "/password/change/",
    "devices": "/devices/",
}


@dataclass(frozen=True)
class Weight:
    """Bytes received for one page; `fonts` come after the first paint and are not in `total`."""

    page: str
    html: int
    styles: int
    scripts: int
    icon: int
    fonts: int

    @property
    def total(self) -> int:
        return self.html + self.styles + self.scripts + self.icon


def of_pages(port: int, person: int) -> list[Weight]:
    """Open pages as a stranger, the others signed in as that person; in Arabic."""
    browser = Browser(port)
    fetch_form(browser, 0)
    found = [_weigh(browser, name, path) for name, path in OPEN_PAGES.items()]
    post_sign_in(browser, people.login(person), people.password(person))
    return found + [_weigh(browser, name, path) for name, path in OWN_PAGES.items()]


def _weigh(browser: Browser, name: str, path: str) -> Weight:
    page = browser.get(path, Accept_Encoding="gzip, br")
    if page.status != 200:
        raise RuntimeError(f"{path} answered {page.status}")
    plain = page if not page.header("content-encoding") else browser.get(path)
    styles = _addresses(STYLE, plain.body)
    fonts = [f for s in styles for f in _addresses(FONT, browser.get(s).body)]
    return Weight(
        name,
        page.size,
        _sum(browser, styles),
        _sum(browser, _addresses(SCRIPT, plain.body)),
        _sum(browser, _addresses(ICON, plain.body)),
        _sum(browser, [f if f.startswith("/") else f"/static/massar/{f.removeprefix('../')}" for f in fonts]),
    )


def _addresses(pattern: re.Pattern[bytes], body: bytes) -> list[str]:
    return list(dict.fromkeys(found.decode() for found in pattern.findall(body)))


def _sum(browser: Browser, addresses: list[str]) -> int:
    answers = [browser.get(address, Accept_Encoding="gzip, br") for address in addresses]
    if any(answer.status != 200 for answer in answers):
        raise RuntimeError(f"not all of {addresses} were served")
    return sum(answer.size for answer in answers)
