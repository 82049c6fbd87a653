"""wapiti and ffuf against `massar demo`, as a stranger and as a person of the demo who is signed in."""

import http.client
import json
import re
import subprocess
from http.cookies import SimpleCookie
from itertools import product
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tests.scans import wapiti
from tests.scans.found import Finding, Scan
from tests.scans.place import ROOT, debian_version
from tests.support.product import Product

AGAINST = "`massar demo`"
PERSON = "youssef.benali@men.gov.ma"
# The phone on screen is the demo's own. The switch of the language stands on every page, each time with another token.
# Addresses of directorates are one page, 82 times.
NOT_OURS, SWITCH = ("/demo/*", "/recovery/desk/?at=*"), ("/language/*",)
ENDS_THE_SESSION = ("/sign-out/*", "/not-me/*", "/devices/end-all/*", "/devices/*/end/*", "/static/*")
QUICK = ("csrf", "crlf", "exec", "file", "redirect", "sql", "xss")


def by_wapiti(demo: Product, folder: Path) -> list[Scan]:
    how = {"folder": folder, "against": AGAINST}
    switch = wapiti.run(
        demo.url, who="a stranger at the switch of languages", modules=QUICK, depth=2, **how,
        leaves=(*NOT_OURS, "/recovery/*", "/let-in/*", "/sign-in/passkey/*", "/static/*"),
    )  # fmt: skip
    stranger = wapiti.run(demo.url, who="a stranger", leaves=(*NOT_OURS, *SWITCH), **how)
    leaves, cookies = (*NOT_OURS, *SWITCH, *ENDS_THE_SESSION), signed_in(demo)
    person = wapiti.run(demo.url, who="a person", leaves=leaves, cookies=cookies, **how)
    status, location, _, _ = ask(demo.url, "GET", "/", cookies=cookies)
    if status != 200:
        person.findings.append(Finding("wapiti", "the session did not last until the end", f"{status} {location}"))
    return [switch, stranger, person]


def signed_in(demo: Product) -> dict[str, str]:
    """Cookies of a session that a person of the demo has just begun."""
    status, _, page, cookies = ask(demo.url, "GET", "/sign-in/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert status == 200 and token, page[:500]
    typed = {"csrfmiddlewaretoken": token[1], "user": PERSON, "password": demo.people[PERSON]}
    status, _, page, more = ask(demo.url, "POST", "/sign-in/", cookies=cookies, body=urlencode(typed))
    assert status == 303, page[:500]
    return {name: value for name, value in {**cookies, **more}.items() if value}


def ask(
    url: str, method: str, path: str, *, cookies: dict[str, str] | None = None, body: str | None = None
) -> tuple[int, str, str, dict[str, str]]:
    """Status, Location, text and cookies of one answer."""
    line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    sent = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
    sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
    line.request(method, path, body, sent)
    answer = line.getresponse()
    text, jar = answer.read().decode("utf-8", "replace"), SimpleCookie()
    for one in answer.headers.get_all("Set-Cookie", []):
        jar.load(one)
    line.close()
    set_here = {name: morsel.value for name, morsel in jar.items()}
    return answer.status, answer.headers.get("Location", ""), text, set_here


# -- ffuf: names, methods, hosts and headers that nobody expects

COMMON = """
.git/HEAD .git/config .git/index .svn/entries .hg/requires .env .env.local .env.production .htaccess .htpasswd .DS_Store
.ssh/id_rsa .npmrc Dockerfile docker-compose.yml Makefile pyproject.toml requirements.txt manage.py settings.py .ci/run
massar.sqlite3 var/massar.sqlite3 var/demo/massar.sqlite3 db.sqlite3 sites.toml var/sites.toml samples.json audit/
backup backup.zip backup.sql backup.tar.gz dump.sql massar.sql site.zip www.tar.gz old/ test/ tmp/ logs/ massar.log
admin admin/ admin/login/ administrator/ wp-admin/ wp-login.php phpmyadmin/ server-status server-info debug debug/
__debug__/ console console/ actuator actuator/env api api/ api/v1/ graphql swagger.json openapi.json redoc/ robots.txt
sitemap.xml crossdomain.xml config.json config.yml phpinfo.php cgi-bin/ shell.php login users/ register/ uploads/
static/ media/ static/massar/ static/staticfiles.json static/massar/css/ static/base.css.map
""".split()
ODD = """
static/..%2f..%2f..%2fetc/passwd ..%2f..%2fetc%2fpasswd %2e%2e/%2e%2e/etc/passwd ....//....//etc/passwd
/example.org/ /example.org/%2f.. %5cexample.org /%5cexample.org/ sign-in//example.org sign-in/%2f%2fexample.org
%00 sign-in/%00 %0d%0aSet-Cookie:x=1 sign-in/%0d%0aLocation:%20/example.org %ff%fe %c0%ae%c0%ae/ %ed%a0%80
%F0%9F%98%80 sign-in/;x=1 sign-in/.css sign-in.php sign-in/~ sign-in.bak sign-in/?next=//example.org
sign-in/?next=https:example.org recovery/?by=%00 recovery/asked/?by=%ff devices/?before=x
devices/?before=99999999999999999999999999 devices/history/?before=%00 devices/history/?before=-1
sites/%D8%A7/ devices/99999999999999999999/end/ profile/contacts/99999999999999999999/prove/
profile/security/999999999999999999999999/remove/ contacts/cancel/%00/ not-me/%ff/ factors/keep/..%2f/
authorize?client_id=%00 authorize?client_id=%ff&response_type=code logout?id_token_hint=%00 logout?state=%ff
saml/sso?SAMLRequest=%00 saml/slo?SAMLResponse=x saml/left/?said=%ff.x saml/start/%00/ saml/as/%ff/metadata
gate/start/?to=%00 gate/enter/?ticket=%00 gate/begin/?again=x receipts/x/%00 receipts/%ff/x
demo/mail/999999999999999999999 demo/messages?after=%00 demo/messages?after=99999999999999999999
""".split()
LONG = [*(f"{'a' * n}" for n in (255, 4000, 30000)), "a/" * 2000, "%61" * 3000, f"sign-in/?{'x=1&' * 3000}"]
METHODS = "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE QUERY PROPFIND MKCOL LOCK BREW get X".split()
HOSTS = """
example.org localhost.example.org localhost@example.org localhost:1 127.0.0.1 127.0.0.1:80 [::1] 0 LOCALHOST localhost.
""".split()
VALUES = [
    "%", "\xff\xfe", "'\"><svg onload=x>", "${x}", "{{7*7}}", "a" * 6000, "../../etc/passwd", "=?utf-8?q?=00?=", "0",
]  # fmt: skip
HEADERS = (
    "Cookie: massar-session=FUZZ", "Cookie: massar-change=FUZZ", "Cookie: massar-devices=FUZZ", "Cookie: FUZZ",
    "Cookie: massar-flash=FUZZ", "Accept-Language: FUZZ", "X-Forwarded-For: FUZZ", "X-Forwarded-Host: FUZZ",
    "Authorization: Bearer FUZZ", "Authorization: Basic FUZZ", "Content-Type: FUZZ", "Range: bytes=FUZZ",
    "If-None-Match: FUZZ", "Accept-Encoding: FUZZ", "X-Massar-Origin: FUZZ", "Referer: FUZZ", "User-Agent: FUZZ",
)  # fmt: skip
ROUTE = re.compile(r'path\("([^"]+)"')
SAMPLE = {"int": "1", "slug": "massar", "str": "x"}


def our_addresses() -> list[str]:
    """Every address of the product with a sample in the place of what varies, read from the source."""
    source = ROOT / "src" / "massar" / "interfaces"
    texts = [path.read_text("utf-8") for path in source.rglob("*.py")]
    routes = [route for text in texts if "urlpatterns" in text for route in ROUTE.findall(text)]
    return sorted({re.sub(r"<(\w+):\w+>", lambda kind: SAMPLE[kind[1]], route) for route in routes})


def by_ffuf(demo: Product, folder: Path) -> Scan:
    ours, cookies = our_addresses(), signed_in(demo)
    who = ["-b", "; ".join(f"{name}={value}" for name, value in cookies.items())]
    backups = [f"{one.rstrip('/')}{end}" for one in ours for end in ("~", ".bak", ".old", ".json", "%20", "/.", "//")]
    hunt = Hunt(demo.url, folder)
    hunt.run([*COMMON, *ODD, *LONG, *backups])
    hunt.run([*ours, *ODD, *LONG], *who)
    signing_out = ("sign-out", "end-all", "/end/")
    kept = [one for one in ours if not any(word in one for word in signing_out)]
    for method in METHODS:
        hunt.run(ours, "-X", method)
        hunt.run(kept, "-X", method, *who)
    for path, header in product(("sign-in/", "profile/", "userinfo", "gate/check/"), HEADERS):
        hunt.run(VALUES, "-H", header, path=path)
    hunt.run(HOSTS, "-H", "Host: FUZZ", path="sign-in/", wrong_host=True)
    did = (
        f"{hunt.asked} requests: {len(ours)} addresses of ours and {len(COMMON)} common names, methods, hosts, headers"
    )
    return Scan("ffuf", debian_version("ffuf"), AGAINST, did, hunt.findings)


class Hunt:
    """Runs of ffuf, and which answers are worth a look: faults, silence, files, and ways to other hosts."""

    def __init__(self, url: str, folder: Path):
        self.url, self.folder, self.asked = url, folder, 0
        self.findings: list[Finding] = []

    def run(self, words: list[str], *options: str, path: str = "FUZZ", wrong_host: bool = False) -> None:
        words = list(dict.fromkeys(words))
        listed, report = self.folder / "words.txt", self.folder / "ffuf.json"
        listed.write_bytes(b"\n".join(word.encode("latin-1", "replace") for word in words) + b"\n")
        report.unlink(missing_ok=True)
        # One thread: with more, 1.1.0 loses results of requests that were answered.
        command = ["ffuf", "-s", "-w", str(listed), "-u", f"{self.url}/{path}", "-mc", "all", "-t", "1",
                   "-timeout", "20", "-o", str(report), "-of", "json", *options]  # fmt: skip
        subprocess.run(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600)
        answers = json.loads(report.read_text())["results"] if report.exists() else []
        self.asked += len(answers)
        about = " ".join(options[:2]) if options[:1] in (("-X",), ("-H",)) else "GET"
        for one in answers:
            if what := self._worth_a_look(one, wrong_host):
                self.findings.append(Finding("ffuf", what, f"{about} /{path} FUZZ={one['input']['FUZZ'][:60]}"))
        if missing := len(words) - len(answers):
            self.findings.append(
                Finding("ffuf", "requests without an answer", f"{about} /{path}: {missing} of {len(words)}")
            )

    def _worth_a_look(self, one: dict, wrong_host: bool) -> str:
        status, word, leads = one["status"], one["input"]["FUZZ"], one["redirectlocation"]
        if status >= 500:
            return f"answers {status}"
        if wrong_host and status != 400:
            return f"another host is answered with {status}"
        if (leads and not leads.startswith(("/", f"{self.url}/"))) or leads.startswith(("//", "/\\")):
            return f"leads elsewhere: {leads[:60]}"
        return "a file that nobody links to" if status == 200 and word in COMMON else ""
