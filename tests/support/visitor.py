"""A person at a browser, through HTTP, without scripts; and the post office behind, run step by step.

`Visitor` fills forms as they stand on the page (hidden fields and the token included), so a form that a page forgot,
or a field that it renamed, fails the story. `Post` is the worker's own loop with providers that keep what they get.
"""

import json
import re
from urllib.parse import urlencode

import altcha
from django.test import Client
from lxml.html import HTMLParser, document_fromstring

from massar.domain.delivery.provider import Accepted
from tests.support.fakes import BehavingProvider
from tests.support.post_office import worker_with
from tests.support.product import CONTACT_CODE as CODE
from tests.support.product import TEMPORARY_PASSWORD as TEMPORARY

NEW_DEVICE = re.compile("جهاز جديد|nouvel appareil|new device")


def forms(html: str) -> list[tuple[str, dict[str, str]]]:
    """The forms of a page: action and the fields with their values."""
    found = document_fromstring(html.encode() or b"<p>", HTMLParser(encoding="utf-8")).forms
    return [(form.action or "", {name: value or "" for name, value in form.fields.items()}) for form in found]


def solve(puzzle: dict) -> str:
    """The derived key, as the page's script finds it."""
    found = altcha.solve_challenge(altcha.Challenge.from_dict(puzzle))
    assert found
    return found.derived_key


class Visitor:
    """One browser. `page` is the last page shown, redirects followed."""

    def __init__(self, **headers: str):
        headers = {"user-agent": "Mozilla/5.0 (Linux; Android 9) Chrome/120.0", **headers}
        self.client = Client(enforce_csrf_checks=True, headers=headers)
        self.page = None

    @property
    def html(self) -> str:
        return self.page.content.decode()

    @property
    def token(self) -> str:
        """That of the forms on the page in front of us."""
        return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.html)[1]

    @property
    def path(self) -> str:
        return self.page.request["PATH_INFO"]

    def get(self, path: str):
        self.page = self.client.get(path, follow=True)
        return self

    def submit(self, action: str, **typed: str):
        """Fills the form with that action on the page in front of us and sends it."""
        found = forms(self.html)
        fields = next((f for a, f in found if a.split("?")[0] == action), None)
        assert fields is not None, f"no form to {action} on {self.path}: {[a for a, _ in found]}"
        assert set(typed) <= set(fields) | {"language"}, f"{set(typed) - set(fields)} not in the form to {action}"
        body = urlencode({**fields, **typed})
        self.page = self.client.post(action, body, content_type="application/x-www-form-urlencoded", follow=True)
        return self

    def sign_in(self, login: str, password: str, *, solves: bool = True):
        """Where a challenge is asked for, it is met as the script would; solves=False: its page is what is seen."""
        self.get("/sign-in/").submit("/sign-in/", user=login, password=password)
        return self.go_on(solve(self.puzzle)) if solves and self.puzzle else self

    @property
    def puzzle(self) -> dict | None:
        """Of the challenge on the page in front of us, if there is one."""
        found = document_fromstring(self.page.content or b"<p>").xpath("//form/@data-puzzle")
        return json.loads(found[0]) if found else None

    def go_on(self, solution: str = ""):
        """Sends the form of a challenge; '' is what it brings without scripts."""
        return self.submit(self.page.request["PATH_INFO"], solution=solution)

    def ask(self, login: str, **contact: str):
        """ask(login, email=…) or ask(login, phone=…)."""
        channel = next(iter(contact))
        return self.get("/recovery/").submit("/recovery/", user=login, channel=channel, **contact)

    def change(self, current: str, new: str, confirm: str | None = None):
        typed = {"current": current, "new": new, "confirm": new if confirm is None else confirm}
        return self.get("/password/change/").submit("/password/change/", **typed)

    def choose(self, new: str):
        """As `change` on the form of a pupil, who types a password once and sees it."""
        return self.get("/password/change/").submit("/password/change/", new=new)

    @property
    def signed_in(self) -> bool:
        return self.client.get("/").status_code == 200

    @property
    def cookies(self) -> dict[str, str]:
        return {name: morsel.value for name, morsel in self.client.cookies.items() if morsel.value}


class Mailboxes(BehavingProvider):
    """Keeps apart the notices that a sign-in in a new browser causes: every test has new browsers, few are about it."""

    def __init__(self):
        super().__init__("email")
        self.of_new_devices = []

    def send(self, message, *, valid_for):
        if not NEW_DEVICE.search(message.subject):
            return super().send(message, valid_for=valid_for)
        self.of_new_devices.append(message)
        return Accepted(f"new-device-{len(self.of_new_devices)}")


class Post:
    """The worker, one turn at a time, with a phone net and a mail server that keep what they receive."""

    def __init__(self, clock):
        self.email, self.sms = Mailboxes(), BehavingProvider("sms")
        self.worker = worker_with({"email": self.email, "sms": self.sms}, clock)

    def work(self) -> None:
        """Until nothing is due any more."""
        while self.worker.turn():
            pass

    def messages(self, to: str, *, new_devices: bool = False):
        """What arrived at an address or number, oldest first. new_devices: after the notices of those."""
        self.work()
        arrived = (*(self.email.of_new_devices if new_devices else ()), *self.email.received, *self.sms.received)
        return [m for m in arrived if m.to == to]

    def secret(self, to: str) -> str:
        """The temporary password of the newest message that has one."""
        found = [TEMPORARY.findall(m.text) for m in self.messages(to)]
        return next(f[0] for f in reversed(found) if f)

    def code(self, to: str) -> str:
        """The six-digit code of the newest message that has one."""
        found = [CODE.findall(m.text) for m in self.messages(to) if not TEMPORARY.search(m.text)]
        return next(f[0] for f in reversed(found) if f)
