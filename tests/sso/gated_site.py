"""Gated sites as the tests know them, and what stands in front of them: the proxy with one browser's cookies."""

from urllib.parse import urlsplit

from django.conf import settings
from django.test import Client

from massar.domain.sites.api import Site
from tests.cast import YOUSSEF
from tests.sso.relying_party import led_on
from tests.support.visitor import Visitor

ORIGIN, OTHER = "https://notifrh.example.ma", "https://archive.example.ma"
SITES = NOTIFRH, ARCHIVE, CLOSED, WAITING, NO_GATE = (
    Site(
        "notifrh", protocol="gate", gate_origin=ORIGIN, name={"en": "NotifRH"}, attributes=("email", "name", "school")
    ),
    Site("archive", protocol="gate", gate_origin=OTHER, name={"en": "Archive"}),
    Site("inspectors", protocol="gate", gate_origin="https://closed.example.ma", roles=("inspector",)),
    Site("transfers", protocol="gate", gate_origin="https://waits.example.ma", no_recovery_hours=72),
    Site("oidc", protocol="oidc", gate_origin="https://oidc.example.ma", client_id="x"),
)


class Gatekeeper:
    """Sends what a proxy asks the account, with the cookies that one browser has of the site's host."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}
        self.client = Client(enforce_csrf_checks=True)

    def send(self, path: str, headers: dict[str, str | None]):
        """A header of None stays out."""
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), **headers}
        answer = self.client.get(path, headers={name: value for name, value in sent.items() if value is not None})
        self.client.cookies.clear()
        self.cookies |= {name: morsel.value for name, morsel in answer.cookies.items()}
        return answer


class Proxy(Gatekeeper):
    """The site's reverse proxy as docs/integrate/nginx-gate.md sets it up."""

    def __init__(self, origin: str = ORIGIN):
        super().__init__()
        self.origin = origin

    def ask(self, what: str, uri: str = "/", method: str = "GET", **headers: str):
        named = {"X-Massar-Origin": self.origin, "X-Massar-Uri": uri, "X-Massar-Method": method}
        return self.send(f"/gate/{what}", {**named, **headers})

    def check(self, uri: str = "/", method: str = "GET", **headers: str):
        return self.ask("check/", uri, method, **headers)

    def begin(self, uri: str = "/", method: str = "GET", **headers: str) -> str:
        answer = self.ask("begin/", uri, method, **headers)
        assert answer.status_code == 303
        return answer["Location"]

    def enter(self, address: str):
        """The browser follows the account's answer back to the site's host."""
        assert address.startswith(f"{self.origin}/.massar/enter?"), address
        return self.ask(f"enter/?{urlsplit(address).query}")


def at_account(visitor: Visitor, address: str):
    """The browser asks the account for an absolute address; redirects are not followed."""
    assert address.startswith(settings.MASSAR.public_url + "/")
    return visitor.client.get(address.removeprefix(settings.MASSAR.public_url))


def opened(visitor: Visitor, uri: str = "/", origin: str = ORIGIN) -> Proxy:
    """The whole way: nobody, begin, account, ticket, cookie."""
    proxy = Proxy(origin)
    assert proxy.check(uri).status_code == 401
    answer = at_account(visitor, proxy.begin(uri))
    assert answer.status_code == 303
    back = proxy.enter(answer["Location"])
    assert back.status_code == 303 and back["Location"] == origin + uri
    return proxy


def proved(visitor: Visitor) -> str:
    """The address with the ticket, to which the browser is sent after the password was typed."""
    visitor.page = visitor.client.get("/sign-in/")
    assert visitor.page.status_code == 200, "whoever is signed in is asked all the same"
    form = {"user": YOUSSEF.login, "password": YOUSSEF.password, "csrfmiddlewaretoken": visitor.token}
    resumed = visitor.client.post("/sign-in/", form)["Location"]
    return led_on(visitor.client.get(resumed).content.decode())
