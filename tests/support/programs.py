"""Programs that the tests need from outside Python: a Chromium, what drives it, a PostgreSQL, other people's servers.

Looked for in the usual places first. On Debian and its kin, as root, what is missing is installed with
apt-get; everywhere else one sentence names the package.
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

APACHE_MODULES = "/usr/lib/apache2/modules"
# The shell is the same browser without what a desk needs: a window of its own opens in half the time.
CHROMIUM_NAMES = (
    "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome",
)  # fmt: skip
CHROMIUM_PLACES = (
    "/usr/lib/chromium/chromium", "/opt/google/chrome/chrome", "/snap/bin/chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)  # fmt: skip
PLAYWRIGHT_CACHES = (".cache/ms-playwright", "Library/Caches/ms-playwright")
POSTGRES_PATTERNS = (
    "usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "usr/local/pgsql/bin", "opt/homebrew/opt/postgresql*/bin",
    "usr/local/opt/postgresql*/bin",
)  # fmt: skip


@dataclass(frozen=True)
class Need:
    """One outside program: what a person calls it, who needs it, and the Debian packages that bring it.

    places: names of programs, or whole paths, any one of which is enough. hint: stands in for the name of the package.
    """

    name: str
    user: str
    packages: tuple[str, ...]
    places: tuple[str, ...] = ()
    hint: str = ""

    @property
    def sentence(self) -> str:
        mend = self.hint or f"install the package {self.packages[0]}"
        return f"{self.name} is needed by {self.user}: {mend}."


# The font package is the fallback for signs that the product's own font does not draw.
CHROMIUM = Need("Chromium", "the browser tests", ("chromium-headless-shell", "fonts-dejavu-core"),
                hint="install the package chromium (or set MASSAR_TEST_CHROMIUM to a path)")  # fmt: skip
# Its own Node.js is linked against this small library, which a bare Debian does not have.
DRIVER = Need("Playwright's driver", "the browser tests, and does not start", ("libatomic1",))
POSTGRES = Need("PostgreSQL", "half of the tests", ("postgresql",))  # none has to be running
PDFTOTEXT = Need("pdftotext", "the tests of what pages on paper say", ("poppler-utils",), ("pdftotext",))
ZBAR = Need("zbarimg", "the test of the square on a slip", ("zbar-tools",), ("zbarimg",))

NGINX = Need("nginx", "the gate's test", ("nginx",), ("nginx",))
APACHE = Need("Apache", "several tests of sites", ("apache2",), ("apache2",))
AUTH_OPENIDC = Need("mod_auth_openidc", "the test of OpenID Connect", ("libapache2-mod-auth-openidc",),
                    (f"{APACHE_MODULES}/mod_auth_openidc.so",))  # fmt: skip
AUTH_MELLON = Need("mod_auth_mellon", "the test of SAML", ("libapache2-mod-auth-mellon",),
                   (f"{APACHE_MODULES}/mod_auth_mellon.so",))  # fmt: skip
SHIBBOLETH = Need("Shibboleth SP", "its test", ("libapache2-mod-shib", "shibboleth-sp-utils"), ("shibd",))
DOVECOT = Need("Dovecot", "the test of mail", ("dovecot-imapd",), ("dovecot",))
KANNEL = Need("Kannel", "the test of SMS gateways", ("kannel",), ("bearerbox",))
LMTP = Need("Dovecot's LMTP", "the test of mail", ("dovecot-lmtpd",),
            ("/usr/lib/dovecot/lmtp", "/usr/libexec/dovecot/lmtp"))  # fmt: skip
POSTFIX = Need("Postfix", "the test of mail", ("postfix",), ("postfix",))
SPAMASSASSIN = Need("SpamAssassin", "the test of how letters look", ("spamassassin",), ("spamassassin",))
RSYSLOG = Need("rsyslog", "the test of the audit log", ("rsyslog",), ("rsyslogd",))
RSYSLOG_TLS = Need("rsyslog's TLS", "the test of the audit log", ("rsyslog-openssl",),
                   tuple(f"/usr/lib/{it}-linux-gnu/rsyslog/lmnsd_ossl.so" for it in ("x86_64", "aarch64")))  # fmt: skip
NODE = Need("Node.js", "the tests of openid-client and SMPP", ("nodejs",), ("node", "nodejs"))
NPM = Need("npm", "the tests of openid-client and SMPP", ("npm",), ("npm",))
CADDY = Need("Caddy", "the gate's test", ("caddy",), ("caddy",))
XMLSEC1 = Need("xmlsec1", "the test of pysaml2", ("xmlsec1",), ("xmlsec1",))
JAVA = Need("Java", "the test of Spring", ("default-jdk-headless",), ("java",))
MAVEN = Need("Maven", "the test of Spring", ("maven",), ("mvn",))
RUBY = Need("Ruby", "the test of ruby-saml", ("ruby",), ("ruby",))
RUBY_SAML = Need("ruby-saml", "its test", ("ruby-saml",),
                 ("/usr/share/rubygems-integration/all/specifications/ruby-saml-1.13.0.gemspec",))  # fmt: skip
LIBREOFFICE = Need("LibreOffice", "the test of spreadsheets", ("libreoffice-calc-nogui",), ("soffice",))
SOFTHSM = Need("SoftHSM", "the test of keys in a token", ("softhsm2",), ("softhsm2-util",))
GO = Need("Go 1.26 or later", "the tests of Traefik and oauth2-proxy", (), ("go", "/usr/local/go/bin/go"),
          hint="install it by hand, Debian 12 has an older one")  # fmt: skip
# What `make test-servers` looks for.
SERVERS = (
    NGINX, APACHE, AUTH_OPENIDC, AUTH_MELLON, SHIBBOLETH, DOVECOT, KANNEL, LMTP, POSTFIX, SPAMASSASSIN, RSYSLOG,
    RSYSLOG_TLS, NODE, NPM, CADDY, JAVA, MAVEN, RUBY, RUBY_SAML, XMLSEC1, SOFTHSM, LIBREOFFICE, GO,
)  # fmt: skip


def find_server(need: Need) -> str | None:
    """Path of a server program or module, or None. Servers often stand where a person's PATH does not look."""
    for name in need.places:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if found or Path(name).is_file():
            return found or name
    return None


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome, or None. MASSAR_TEST_CHROMIUM wins over everything that is found."""
    named = os.environ.get("MASSAR_TEST_CHROMIUM")
    if named:
        return shutil.which(named)
    for name in (*CHROMIUM_NAMES, *CHROMIUM_PLACES):
        if found := shutil.which(name):
            return found
    for cache in PLAYWRIGHT_CACHES:
        for pattern in ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/*.app/Contents/MacOS/*"):
            if kept := sorted((Path.home() / cache).glob(pattern)):
                return str(kept[-1])
    return None


def find_driver() -> str | None:
    """Path of the program that drives the browser (a part of the package playwright), or None if it can't start."""
    program, _script = compute_driver_executable()
    try:
        works = subprocess.run([program, "--version"], capture_output=True, timeout=60).returncode == 0
    except OSError:
        return None
    return program if works else None


def find_postgres() -> Path | None:
    """The folder that holds both `initdb` and `postgres`, or None. The newest version wins."""

    def version(folder: Path) -> list[int]:
        return [int(number) for number in re.findall("[0-9]+", str(folder))]

    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders.append(Path("/usr/local/bin"))
    for pattern in POSTGRES_PATTERNS:
        folders.extend(sorted(Path("/").glob(pattern), key=version, reverse=True))
    for folder in folders:
        if all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres")):
            return folder
    return None


def can_install() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(needs: list[Need]) -> None:
    """Install the Debian packages of `needs`, saying so. Failure is not raised: the caller looks again."""
    packages = [package for need in needs for package in need.packages]
    if not packages:
        return
    print(f"Installing {', '.join(packages)} (this takes a minute or two, once) ...", flush=True)
    # RUNLEVEL=1 keeps a new package from starting a server that nobody asked for.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    for attempt in (["apt-get", "update", "--quiet"], command):
        done = subprocess.run(attempt, env=environment, capture_output=True, text=True)
        if done.returncode:
            tail = (done.stderr or done.stdout).strip().splitlines()[-5:]
            print(f"{' '.join(attempt[:2])} did not work:", *tail, sep="\n  ", file=sys.stderr, flush=True)


FINDERS = {
    CHROMIUM: find_chromium, DRIVER: find_driver, POSTGRES: find_postgres, PDFTOTEXT: partial(find_server, PDFTOTEXT),
    ZBAR: partial(find_server, ZBAR),
}  # fmt: skip


def lacking_for_the_browser() -> Need | None:
    """The first thing without which no page can be opened, or None."""
    return next((need for need in (CHROMIUM, DRIVER) if FINDERS[need]() is None), None)
