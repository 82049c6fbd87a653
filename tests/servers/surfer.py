"""A browser without scripts over real sockets: cookies by host, redirects one by one, forms as they stand."""

import http.client
import re
from dataclasses import dataclass
from html import unescape
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from tests.support.visitor import forms

MOST_STEPS = 20
AS_A_BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0",
    "Accept": "text/html,application/xhtml+xml",  # sites answer scripts with 401, people with a redirect
}


@dataclass(frozen=True)
class Page:
    """An answer: its address, status, headers by small letters, and text."""

    address: str
    status: int
    headers: dict[str, str]
    text: str


class Surfer:
    """One browser. `page` is the last page, `way` the addresses that led there."""

    def __init__(self, stops_at: str = ""):
        """`stops_at`: a redirect to an address that begins so is not followed; nobody listens there."""
        self.stops_at = stops_at
        self.jar: dict[str, dict[str, str]] = {}
        self.page: Page | None = None
        self.way: list[str] = []

    def open(self, address: str) -> Page:
        """Asks for an address and follows where it leads."""
        return self._follow("GET", address, None)

    def submit(self, ending: str, **typed: str) -> Page:
        """Sends the form of the page in front of us whose address ends so, with these fields filled in."""
        found = [(a, fields) for a, fields in forms(self.page.text) if a.split("?")[0].endswith(ending)]
        assert found, f"no form to {ending} on {self.page.address}: {self.page.text[:2000]}"
        action, fields = found[0]
        assert set(typed) <= set(fields), f"{sorted(fields)} on {self.page.address}"
        return self.post(urljoin(self.page.address, action), {**fields, **typed})

    def post(self, address: str, fields: dict[str, str]) -> Page:
        """Sends a form to that address, and follows where it leads."""
        return self._follow("POST", address, urlencode(fields))

    def _follow(self, method: str, address: str, body: str | None) -> Page:
        self.way = []
        for _ in range(MOST_STEPS):
            self.way.append(address)
            self.page = self.ask(method, address, body)
            leads = self._leads()
            if not leads:
                return self.page
            assert self.page.status not in (307, 308) or method == "GET", "a typed form must never travel on"
            method, address, body = "GET", urljoin(address, leads), None
            if self.stops_at and address.startswith(self.stops_at):
                self.way.append(address)
                return self.page
        raise AssertionError(f"going round in circles: {self.way[-4:]}")

    def _leads(self) -> str:
        """Where the page in front of us leads by itself, by redirect or at once by its head; '' for one that stays."""
        if self.page.status in (301, 302, 303, 307, 308):
            return self.page.headers["location"]
        found = re.search(r'<meta http-equiv="refresh" content="0;url=([^"]*)">', self.page.text)
        return unescape(found[1]) if found else ""

    def ask(self, method: str, address: str, body: str | None = None, **headers: str) -> Page:
        """One request, no redirect followed. Cookies go by host name, whatever the port, as in browsers."""
        parts = urlsplit(address)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        cookies = self.jar.setdefault(parts.hostname, {})
        sent = {**AS_A_BROWSER, **headers}
        if cookies:
            sent.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()))
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", body, sent)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie", []):
            self._keep(cookies, line)
        return Page(address, answer.status, {k.lower(): v for k, v in answer.getheaders()}, text)

    @staticmethod
    def _keep(cookies: dict[str, str], line: str) -> None:
        for name, morsel in SimpleCookie(line).items():
            over = morsel["max-age"] == "0" or re.search(r"1970|1969", morsel["expires"] or "")
            if over or not morsel.value:
                cookies.pop(name, None)
            else:
                cookies[name] = morsel.value
