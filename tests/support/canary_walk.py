"""A person's whole way through a running `massar serve` and `massar worker`, and every secret that was met on it.

Over real sockets, with a mail server and an SMS gateway as far ends. What the walk collects is looked for afterwards
wherever something could have been written down (tests/commands/ and tests/servers/test_secrets_at_rest.py)."""

import base64
import contextlib
import hashlib
import json
import os
import re
import secrets
import socketserver
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import Popen
from urllib.parse import parse_qs, urlencode, urlsplit

from fido2.utils import websafe_decode
from lxml.html import HTMLParser, document_fromstring

from massar.domain.sites.api import hashed_secret
from tests.cast import YOUSSEF
from tests.contracts import smtp_rig
from tests.contracts.http_rig import Gateway
from tests.servers.surfer import Page, Surfer
from tests.support.authenticator import App
from tests.support.canary import PLANTED, found
from tests.support.installation import Installation, is_served, running
from tests.support.passkey_device import Authenticator
from tests.support.postgres import free_port
from tests.support.product import CONTACT_CODE, TEMPORARY_PASSWORD
from tests.support.serving import serving
from tests.support.waits import until

WITHIN = 120  # seconds
SITE = "http://127.0.0.1:9"  # where nobody listens: the browser stops before it
LINK = re.compile(r"/(not-me|factors/keep|contacts/cancel)/([\w.~=:-]+)/")
SITES = """
[sites.wall]
name = {{ en = "Wall" }}
protocol = "oidc"
client_id = "wall"
client_secret = "{secret}"
redirect_uris = ["{site}/back"]
scopes = ["openid", "profile", "email", "offline_access"]
hears_sign_out = false
"""


@dataclass
class Secrets:
    """What was met: name and value."""

    met: dict[str, str | bytes] = field(default_factory=dict)

    def add(self, name: str, value: str | bytes) -> str:
        """Keep it; a second one of that name is another one."""
        assert len(value) >= 6, f"{name} is too short to be looked for"
        while name in self.met and self.met[name] != value:
            name += "'"
        self.met[name] = value
        return value if isinstance(value, str) else ""

    def new(self, name: str) -> str:
        """A password that keeps the rules and that nothing else is like."""
        return self.add(name, "Zq-" + "".join(secrets.choice("dgkmpvwxz") for _ in range(14)) + "-74!")


class Office:
    """The far ends: what arrived there. `trail`: of the audit log, by syslog."""

    def __init__(self):
        self.mail, self.sms, self.trail = smtp_rig.MailServer(auth=True).start(), Gateway(), bytearray()
        office = self

        class Keeper(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                while heard := self.request.recv(65536):
                    office.trail.extend(heard)

        self._syslog = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Keeper)
        self._syslog.daemon_threads = True
        self.trail_port = self._syslog.server_address[1]
        self._serving = contextlib.ExitStack()
        self._serving.enter_context(serving(self._syslog))

    def letters(self, to: str) -> list[str]:
        bodies = [one.get_body(("plain",)).get_content() for one in list(self.mail.letters) if to in str(one["to"])]
        return [body.replace("\u2068", "").replace("\u2069", "") for body in bodies]

    def messages(self, number: str) -> list[str]:
        sent = [body for _, _, body in list(self.sms.requests)]
        return [body["text"] for body in sent if body["to"].lstrip("+") == number.lstrip("+")]

    def stop(self) -> None:
        self.mail.stop()
        self.sms.stop()
        self._serving.close()


@dataclass
class Running:
    """The product with its far ends. `log`: all that its programs wrote."""

    installed: Installation
    port: int
    office: Office
    secrets: Secrets
    log: Path
    programs: list[Popen]
    phone: str
    email: str
    password: str
    client_secret: str

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"


@contextlib.contextmanager
def product(folder: Path, database: str = "") -> Iterator[Running]:
    """Every secret of the operator's comes from a file, so that none stands in an environment."""
    installed, port, kept = Installation(folder), free_port(), Secrets()
    with contextlib.ExitStack() as stack:
        office = Office()
        stack.callback(office.stop)
        client_secret = kept.add("client secret", f"client-{secrets.token_hex(16)}")
        (folder / "sites.toml").write_text(SITES.format(secret=hashed_secret(client_secret), site=SITE))
        (folder / "tmp").mkdir()
        installed.environ |= {"TMPDIR": f"{folder}/tmp", "MASSAR_AUDIT_SYSLOG": f"tcp://127.0.0.1:{office.trail_port}"}
        installed.environ |= {"MASSAR_PUBLIC_URL": f"http://localhost:{port}", "MASSAR_CONFIG": f"{folder}/sites.toml"}
        installed.environ |= {"MASSAR_EMAIL_FROM": "account@example.ma"} | _files(folder, office, kept)
        if database:
            installed.environ["MASSAR_DATABASE_URL"] = _file(folder, "database", database)
        done = installed.massar("migrate")
        assert done.returncode == 0, done.stderr
        phone = kept.add("phone", f"+21266178{secrets.randbelow(10**4):04}")
        email = kept.add("e-mail", f"zq{secrets.token_hex(6)}@example.org")
        password = kept.new("old password")
        made = installed.massar("createperson", YOUSSEF.login, "--language", "fr", "--email", email, "--phone", phone,
                                "--password-stdin", stdin=f"{password}\n")  # fmt: skip
        assert made.returncode == 0, made.stderr
        log = folder / "log"
        file = stack.enter_context(log.open("ab"))
        told = {"folder": folder, "environ": installed.environ, "stdout": file, "stderr": file}
        words = ("serve", "--port", str(port), "--processes", "1"), ("worker",)
        programs = [stack.enter_context(running(*one, **told)) for one in words]
        it = Running(installed, port, office, kept, log, programs, phone, email, password, client_secret)
        until(lambda: is_served(port, path="/readyz"), WITHIN, "it does not serve")
        yield it


def _file(folder: Path, name: str, value: str) -> str:
    place = folder / f"{name}.secret"
    place.touch(0o600)
    place.write_text(value)
    return f"file:{place}"


def _files(folder: Path, office: Office, kept: Secrets) -> dict[str, str]:
    """Settings that hold a secret, each in a file."""
    raw = {name: secrets.token_bytes(32) for name in ("data key", "audit key")}
    for name, value in raw.items():
        kept.add(name, value)
    own = {name: kept.add(name, f"{name.split()[0]}-{secrets.token_hex(20)}")
           for name in ("secret key", "metrics token", "gateway key")}  # fmt: skip
    kept.add("mail password", smtp_rig.PASSWORD)
    user, password = "massar%40relay", "p%40ss%3Aw%2Frd"
    data, audit = (base64.b64encode(one).decode() for one in raw.values())
    return {f"MASSAR_{name}": _file(folder, name.lower(), value) for name, value in {
        "SECRET_KEY": own["secret key"], "DATA_KEYS": f"k1:{data}", "AUDIT_KEY": audit,
        "METRICS_TOKEN": own["metrics token"],
        "EMAIL_URL": f"smtp://{user}:{password}@localhost:{office.mail.port}",
        "SMS_URL": f"http://localhost:{office.sms.port}/send",
        "SMS_HEADERS": json.dumps({"Authorization": f"Bearer {own['gateway key']}"}),
    }.items()}  # fmt: skip


class Walk:
    """One person's ways, in as many browsers as wanted. Each method ends where the next may begin."""

    def __init__(self, it: Running):
        self.it, self.secrets, self.ahead = it, it.secrets, 0
        self.surfer = Surfer(stops_at=SITE)
        self.password, self.codes = it.password, list[str]()
        self.passkey = Authenticator(origin=it.url)

    def begin_again(self) -> Surfer:
        """Another browser."""
        self.keep_cookies()
        self.surfer = Surfer(stops_at=SITE)
        return self.surfer

    def keep_cookies(self) -> None:
        """All that open something; the others hold words of ours, signed."""
        for name, value in self.surfer.jar.get("localhost", {}).items():
            short = name.removeprefix("massar-")
            if short in ("session", "change", "second", "devices", "asked"):
                self.secrets.add(f"cookie {short}", value.rpartition(".")[2])

    def open(self, path: str) -> Page:
        return self.surfer.open(f"{self.it.url}{path}")

    def submit(self, path: str, status: int = 200, **typed: str) -> Page:
        self.keep_cookies()
        page = self.surfer.submit(path, **typed)
        self.keep_cookies()
        assert page.status == status, f"{path}: {page.status} {re.sub(r'<[^>]+>', ' ', page.text)[-1500:]}"
        return page

    def sign_in(self, password: str, status: int = 200) -> Page:
        self.open("/sign-in/")
        return self.submit("/sign-in/", status, user=YOUSSEF.login, password=password)

    def secret_in(self, pattern: re.Pattern[str], seen: Callable[[], list[str]], before: int, name: str) -> str:
        """What fits in a message that came after so many."""
        found = until(lambda: [m for text in seen()[before:] for m in pattern.findall(text)], WITHIN, f"no {name}")
        last = found[-1] if isinstance(found[-1], str) else found[-1][-1]
        return self.secrets.add(name, last)

    # The stories

    def meets_a_wrong_password(self) -> None:
        self.sign_in(self.secrets.new("wrong password"), 422)

    def proves_a_contact(self) -> None:
        new = self.secrets.add("new e-mail", f"zq{secrets.token_hex(6)}@example.org")
        self.open("/profile/")
        self.submit("/profile/", email=new, password=self.password)
        code = self.secret_in(CONTACT_CODE, lambda: self.it.office.letters(new), 0, "contact code")
        action = re.search(r'action="(/profile/contacts/\d+/prove/)"', self.surfer.page.text)[1]
        wrong = self.secrets.add("wrong contact code", f"{(int(code) + 123457) % 10**6:06}")
        self.submit(action, 422, code=wrong)
        self.submit(action, code=code)
        self.links(new, "contact link")

    def adds_an_app(self) -> None:
        self.open("/profile/security/")
        page = self.submit("/profile/security/app/begin/", password=self.password)
        self.app = App(page.text, lambda: datetime.now(UTC))
        key = self.secrets.add("TOTP secret", self.app.otp.secret)
        self.secrets.add("TOTP secret, raw", base64.b32decode(key))
        self.submit("/profile/security/app/", code=self.code())
        self.codes = re.findall(r"<li>(\d{4}-\d{4}-\d{4})</li>", self.surfer.page.text)
        for one in self.codes:
            self.secrets.add("backup code", one)

    def code(self) -> str:
        """The app's of a step that was not used yet; three steps are taken around now."""
        while True:
            at = datetime.now(UTC) + timedelta(seconds=30)
            if at.timestamp() // 30 > self.ahead:
                self.ahead = at.timestamp() // 30
                return self.secrets.add("TOTP code", self.app.otp.at(at))
            if datetime.now(UTC).timestamp() // 30 > self.ahead - 2:
                return self.codes.pop()

    def adds_a_passkey(self) -> None:
        self.open("/profile/security/")
        self.submit("/profile/security/passkey/begin/", password=self.password, name="my phone")
        options = self.options("/profile/security/passkey/")
        answer = self.passkey.make(options)
        self.secrets.add("user handle", self.passkey.user_handle)
        self.secrets.add("passkey id", self.passkey.credential_id)
        self.submit("/profile/security/passkey/", answer=answer)

    def options(self, action: str) -> str:
        """What the page in front of us asks a passkey."""
        html = document_fromstring(self.surfer.page.text.encode(), HTMLParser(encoding="utf-8"))
        [asked] = [form.get("data-options") for form in html.xpath("//form[@action=$to]", to=action)]
        self.secrets.add("passkey challenge", websafe_decode(json.loads(asked)["challenge"]))
        return asked

    def signs_in_by_passkey(self) -> None:
        self.open("/sign-in/")
        self.submit("/sign-in/passkey/", answer=self.passkey.get(self.options("/sign-in/passkey/")))
        assert self.surfer.page.address == f"{self.it.url}/"

    def signs_out(self) -> None:
        self.open("/")
        self.submit("/sign-out/")

    def meets_the_second_step(self, code: str) -> None:
        self.sign_in(self.password)
        wrong = self.secrets.add("wrong second code", f"{secrets.randbelow(10**6):06}")
        self.submit("/sign-in/second/", 422, code=wrong)
        self.submit("/sign-in/second/", code=code)

    def enters_a_site(self) -> None:
        verifier = self.secrets.add("PKCE verifier", secrets.token_urlsafe(40))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {"client_id": "wall", "response_type": "code", "redirect_uri": f"{SITE}/back",
                 "code_challenge": challenge, "code_challenge_method": "S256", "scope": "openid email offline_access",
                 "state": "s", "nonce": "n"}  # fmt: skip
        self.open(f"/authorize?{urlencode(asked)}")
        [code] = parse_qs(urlsplit(self.surfer.way[-1]).query)["code"]
        self.secrets.add("OIDC code", code)
        told = self.token(
            grant_type="authorization_code", code=code, redirect_uri=f"{SITE}/back", code_verifier=verifier
        )
        bearer = {"Authorization": f"Bearer {told['access_token']}"}
        assert self.surfer.ask("GET", f"{self.it.url}/userinfo", **bearer).status == 200
        self.token(grant_type="refresh_token", refresh_token=told["refresh_token"])

    def basic(self) -> dict[str, str]:
        pair = f"wall:{self.it.client_secret}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def token(self, **asked: str) -> dict[str, str]:
        answer = Surfer().ask("POST", f"{self.it.url}/token", urlencode(asked), **self.basic())
        assert answer.status == 200, answer.text
        told = json.loads(answer.text)
        for name in ("access_token", "refresh_token", "id_token"):
            self.secrets.add(name, told[name].rpartition(".")[2])
        return told

    def lets_the_browser_in(self) -> None:
        before = len(self.it.office.messages(self.it.phone))
        self.open("/let-in/")
        self.submit("/let-in/", user=YOUSSEF.login, channel="phone", phone=self.it.phone)
        code = self.secret_in(
            TEMPORARY_PASSWORD, lambda: self.it.office.messages(self.it.phone), before, "vouching code"
        )
        self.submit("/let-in/code/", user=YOUSSEF.login, code=code)

    def recovers(self) -> None:
        before = len(self.it.office.letters(self.it.email))
        self.open("/recovery/")
        self.submit("/recovery/", user=YOUSSEF.login, channel="email", email=self.it.email)
        temporary = self.secret_in(
            TEMPORARY_PASSWORD, lambda: self.it.office.letters(self.it.email), before, "temporary password"
        )
        self.sign_in(temporary)
        self.submit("/sign-in/second/", code=self.codes.pop())
        self.open("/password/change/")
        new, bad = self.secrets.new("new password"), self.secrets.add("refused password", "Zq-short7!")
        self.submit("/password/change/", 422, current=temporary, new=bad, confirm=bad)
        self.open("/password/change/")
        self.submit("/password/change/", new=new, confirm=new)
        self.password = new

    def loses_the_factors(self) -> None:
        before = len(self.it.office.letters(self.it.email))
        self.sign_in(self.password)
        self.open("/sign-in/second/lost/")
        [contact] = re.findall(r'name="contact" value="(\d+)"', self.surfer.page.text)[:1]
        self.submit("/sign-in/second/lost/", contact=contact)
        code = self.secret_in(CONTACT_CODE, lambda: self.it.office.letters(self.it.email), before, "loss code")
        self.submit("/sign-in/second/lost/code/", code=code)
        until(lambda: self.links(self.it.email, "link").get("factors/keep"), WITHIN, "no link that keeps the factors")

    def links(self, to: str, name: str) -> dict[str, str]:
        """Those of all letters that came, by kind."""
        found = dict(LINK.findall("\n".join(self.it.office.letters(to))))
        for kind, token in found.items():
            self.secrets.add(f"{name} {kind}", re.split(r"[.-]", token)[-1])
        return found

    def all_of_it(self) -> dict[str, str]:
        """Every story; returns the tokens of links, none of them pressed."""
        self.meets_a_wrong_password()
        self.sign_in(self.password)
        self.proves_a_contact()
        self.enters_a_site()
        self.adds_an_app()
        self.adds_a_passkey()
        self.signs_out()
        self.meets_the_second_step(self.code())
        self.begin_again()
        self.signs_in_by_passkey()
        self.begin_again()
        self.lets_the_browser_in()
        self.meets_the_second_step(self.codes.pop())
        self.begin_again()
        self.recovers()
        self.begin_again()
        self.loses_the_factors()
        self.keep_cookies()
        return self.links(self.it.email, "link")

    # Faults, while the secrets are in the request

    def troubles(self, links: dict[str, str]) -> list[Callable[[], Page]]:
        """Requests that bring what they can; made ready now, so that each fails in its view and not before."""
        owner, stranger = Surfer(stops_at=SITE), Surfer(stops_at=SITE)
        self.surfer = stranger
        self.open("/sign-in/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', stranger.page.text)[1]
        self.surfer = owner
        self.signs_in_by_passkey()
        self.keep_cookies()
        own = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.open("/profile/").text)[1]
        temporary, code = self.secrets.add("lost temporary password", "bcdfg-79746"), self.codes[-1]
        phone, new = self.secrets.add("third phone", "+212661998877"), self.secrets.new("newest password")

        def posts(by: Surfer, path: str, **fields: str) -> Callable[[], Page]:
            sent = {"csrfmiddlewaretoken": token if by is stranger else own, **fields}
            return lambda: by.ask("POST", f"{self.it.url}{path}", urlencode(sent))

        def token_asked(**fields: str) -> Callable[[], Page]:
            return lambda: Surfer().ask("POST", f"{self.it.url}/token", urlencode(fields), **self.basic())

        code_of_site = self.secrets.add("late OIDC code", secrets.token_urlsafe(32))
        bearer = {"Authorization": "Bearer " + self.secrets.add("late access token", secrets.token_urlsafe(32))}
        asked = {"client_id": "wall", "response_type": "code", "redirect_uri": f"{SITE}/back", "scope": "openid",
                 "code_challenge": "x" * 43, "code_challenge_method": "S256"}  # fmt: skip
        return [
            posts(stranger, "/sign-in/", user=YOUSSEF.login, password=self.password),
            posts(stranger, "/sign-in/", user=YOUSSEF.login, password=temporary),
            posts(stranger, "/recovery/", user=YOUSSEF.login, channel="phone", phone=phone),
            posts(stranger, "/let-in/code/", user=YOUSSEF.login, code=temporary),
            posts(owner, "/profile/", email="", phone=phone, password=self.password),
            posts(owner, "/sign-in/second/", code=code),
            posts(owner, "/password/change/", current=self.password, new=new, confirm=new),
            posts(owner, "/profile/security/app/begin/", password=self.password),
            *(posts(owner, f"/{kind}/{value}/") for kind, value in links.items()),
            *(
                lambda path=f"/{kind}/{value}/": stranger.ask("GET", f"{self.it.url}{path}")
                for kind, value in links.items()
            ),
            lambda: owner.ask("GET", f"{self.it.url}/authorize?{urlencode(asked)}"),
            token_asked(grant_type="authorization_code", code=code_of_site, redirect_uri=f"{SITE}/back"),
            token_asked(grant_type="refresh_token", refresh_token=code_of_site),
            lambda: stranger.ask("GET", f"{self.it.url}/userinfo", **bearer),
        ]

    def without_own_address(self, pages: list[Page], links: dict[str, str]) -> bytes:
        """Heads and bodies of pages. Where a form of the page leads back to it, it names the address that it has."""
        told = "".join(f"{page.headers}{page.text}" for page in pages)
        for kind, token in links.items():
            told = told.replace(f'value="/{kind}/{token}/"', "")
        return told.encode()


# Faults for all who ask

AWAY = ("people_person", "people_contact", "credentials_password", "credentials_temporarypassword", "factors_factor",
        "factors_loss", "sessions_session", "sites_grant", "sites_savedrequest", "limits_bucketstate")  # fmt: skip


@contextlib.contextmanager
def tables_away(execute: Callable[[str], object]) -> Iterator[None]:
    """Whoever asks for them meets a fault. execute: how a statement is given to the database."""
    for name in AWAY:
        execute(f"ALTER TABLE {name} RENAME TO {name}_away")
    yield
    for name in AWAY:
        execute(f"ALTER TABLE {name}_away RENAME TO {name}")


# Where it is looked for

COMMANDS = (
    ("messages", "--json", "--day"), ("messages",), ("audit", "show", YOUSSEF.login, "--limit", "500"),
    ("audit", "export"), ("audit", "export", "--format", "syslog"), ("audit", "verify"), ("check",),
    ("check", "--deploy"), ("people", "show", YOUSSEF.login), ("keys", "list"), ("siege", "show"),
    ("sites", "show", "wall"),
)  # fmt: skip


def written(it: Running) -> dict[str, bytes]:
    """What the product's programs wrote or say, by place; each holds PLANTED."""
    for file in (it.log, it.installed.folder / "tmp" / "planted", it.installed.folder / "var" / "planted"):
        with file.open("ab") as more:
            more.write(PLANTED.encode())
    token = {"Authorization": f"Bearer {it.secrets.met['metrics token']}"}
    said = [Surfer().ask("GET", f"{it.url}{path}", **token) for path in ("/healthz", "/readyz", "/metrics")]
    assert [page.status for page in said] == [200, 200, 200] and "massar_" in said[-1].text
    told = it.installed.each(*COMMANDS)
    assert all(done.stdout for done in told), [done.stderr for done in told if not done.stdout]
    assert YOUSSEF.login in told[2].stdout + told[8].stdout and b"massar" in it.office.trail
    files = [file for kept in ("var", "tmp") for file in (it.installed.folder / kept).rglob("*") if file.is_file()]
    return {
        "log": it.log.read_bytes(), "syslog": bytes(it.office.trail) + PLANTED.encode(),
        "signs of life": PLANTED.encode() + "".join(page.text for page in said).encode(),
        "commands": PLANTED.encode() + "".join(done.stdout + done.stderr for done in told).encode(),
        "files": b"".join(file.read_bytes() for file in files if "static" not in file.parts),
        "processes": b"".join(_of_processes(it)),
    }  # fmt: skip


def _of_processes(it: Running) -> Iterator[bytes]:
    """Titles and environments of the programs and of what they started, and of one that was given PLANTED."""
    with Popen(["sleep", "60"], env={"CANARY": PLANTED, "PATH": os.environ["PATH"]}) as planted:
        # The kernel shows a new program's environment a moment after Popen hears that it was started.
        until(Path(f"/proc/{planted.pid}/environ").read_bytes, WITHIN, "a program shows no environment")
        for one in (planted, *it.programs):
            children = Path(f"/proc/{one.pid}/task/{one.pid}/children").read_text().split()
            for pid in (one.pid, *map(int, children)):
                yield from (Path(f"/proc/{pid}/{name}").read_bytes() for name in ("environ", "cmdline", "comm"))
        planted.kill()


def read_nowhere(secrets: Secrets, places: dict[str, bytes]) -> None:
    """The search finds PLANTED in each of them, and none of the secrets in any."""
    leaks = []
    for place, stored in places.items():
        met = found(secrets.met | {"planted": PLANTED}, stored)
        assert met.pop("planted", None), f"the search does not see into {place}"
        for name, form in met.items():
            at = stored.find(form)
            leaks.append(f"{name} in {place} as {form!r}: {stored[max(0, at - 80) : at + 80]!r}")
    assert not leaks, "\n".join(leaks)
