"""What each page weighs on the wire: head and body of every answer a browser with an empty cache receives, in bytes."""

import re

from bench import people, report
from bench.client import Browser
from bench.load import fetch_form, post_sign_in

STYLE = re.compile(rb'<link rel="stylesheet" href="([^"]+)"')
SCRIPT = re.compile(rb'<script[^>]* src="([^"]+)"')
ICON = re.compile(rb'<link rel="icon" href="([^"]+)"')
FONT = re.compile(rb"url\([\"']?([^\"')]+\.woff2)")
OPEN_PAGES = {
    "sign-in": "/sign-in/", "recovery, form": "/recovery/", "recovery, what happens next": "/recovery/asked/",
}  # fmt: skip
OWN_PAGES = {"home": "/", "profile": "/profile/", "change password": "/password/change/", "devices": "/devices/"}


def table(port: int, person: int) -> str:
    """Open pages as a stranger, the others signed in as that person; in Arabic."""
    browser = Browser(port)
    fetch_form(browser, 0)
    rows = [_weigh(browser, name, path) for name, path in OPEN_PAGES.items()]
    post_sign_in(browser, people.login(person), people.password(person))
    rows += [_weigh(browser, name, path) for name, path in OWN_PAGES.items()]
    heads = ["page (Arabic)", "HTML", "styles", "scripts", "icon", "sum", "fonts, after the first paint"]
    return report.table(
        "Page weights", heads, rows,
        "kB on the wire, heads included, empty cache, as the server itself sends it. "
        "The aim for sign-in is a sum of at most 30.",
    )  # fmt: skip


def _weigh(browser: Browser, name: str, path: str) -> list[str]:
    page = browser.get(path, Accept_Encoding="gzip, br")
    if page.status != 200:
        raise RuntimeError(f"{path} answered {page.status}")
    plain = page if not page.header("content-encoding") else browser.get(path)
    styles = _addresses(STYLE, plain.body)
    fonts = [font for style in styles for font in _addresses(FONT, browser.get(style).body)]
    first = [page.size, *(_sum(browser, _addresses(kind, plain.body)) for kind in (STYLE, SCRIPT, ICON))]
    later = _sum(browser, [f if f.startswith("/") else f"/static/massar/{f.removeprefix('../')}" for f in fonts])
    return [name, *(f"{size / 1000:.1f}" for size in (*first, sum(first), later))]


def _addresses(pattern: re.Pattern[bytes], body: bytes) -> list[str]:
    return list(dict.fromkeys(found.decode() for found in pattern.findall(body)))


def _sum(browser: Browser, addresses: list[str]) -> int:
    answers = [browser.get(address, Accept_Encoding="gzip, br") for address in addresses]
    if any(answer.status != 200 for answer in answers):
        raise RuntimeError(f"not all of {addresses} were served")
    return sum(answer.size for answer in answers)
