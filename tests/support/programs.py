"""Programs that the tests need from outside Python: a Chromium, what drives it, a PostgreSQL, other people's servers.

Looked for in the usual places first. On Debian and its kin, as root, what is missing is installed with
apt-get; everywhere else one sentence names the package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from playwright._impl._driver import compute_driver_executable

APACHE_MODULES = "/usr/lib/apache2/modules"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM_PLACES = (
    "/usr/lib/chromium/chromium",
    "/opt/google/chrome/chrome",
    "/snap/bin/chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
PLAYWRIGHT_CACHES = (".cache/ms-playwright", "Library/Caches/ms-playwright")
POSTGRES_PATTERNS = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "usr/local/pgsql/bin",
    "opt/homebrew/opt/postgresql*/bin",
    "usr/local/opt/postgresql*/bin",
)


@dataclass(frozen=True)
class Need:
    """One outside program: what a person calls it, the Debian packages that bring it, and how it is found."""

    name: str
    packages: tuple[str, ...]
    sentence: str


CHROMIUM = Need(
    "Chromium",
    # The font package is the fallback for signs that the product's own font does not draw.
    ("chromium", "fonts-dejavu-core"),
    "The browser tests need Chromium: install the package chromium (or set MASSAR_TEST_CHROMIUM to a path).",
)
DRIVER = Need(
    "Playwright's driver",
    # Its own Node.js is linked against this small library, which a bare Debian does not have.
    ("libatomic1",),
    "The browser tests can't start Playwright's driver: install the package libatomic1.",
)
POSTGRES = Need(
    "PostgreSQL",
    ("postgresql",),
    "The PostgreSQL half needs its server program: install the package postgresql (none has to be running).",
)

NGINX = Need("nginx", ("nginx",), "The gate's test needs nginx: install the package nginx.")
APACHE = Need("Apache", ("apache2",), "These tests need Apache: install the package apache2.")
AUTH_OPENIDC = Need(
    "mod_auth_openidc",
    ("libapache2-mod-auth-openidc",),
    "The OpenID Connect test needs Apache's module: install the package libapache2-mod-auth-openidc.",
)
AUTH_MELLON = Need(
    "mod_auth_mellon",
    ("libapache2-mod-auth-mellon",),
    "The SAML test needs Apache's module: install the package libapache2-mod-auth-mellon.",
)
SHIBBOLETH = Need(
    "Shibboleth SP",
    ("libapache2-mod-shib", "shibboleth-sp-utils"),
    "The test of Shibboleth SP needs its daemon and Apache's module: install the package libapache2-mod-shib.",
)
DOVECOT = Need("Dovecot", ("dovecot-imapd",), "The mail test needs Dovecot: install the package dovecot-imapd.")
KANNEL = Need("Kannel", ("kannel",), "The SMS gateway's test needs Kannel: install the package kannel.")
LMTP = Need(
    "Dovecot's LMTP", ("dovecot-lmtpd",), "The mail test needs Dovecot's LMTP: install the package dovecot-lmtpd."
)
POSTFIX = Need(
    "Postfix", ("postfix",), "The mail test needs Postfix: install the package postfix (none has to be running)."
)
SPAMASSASSIN = Need(
    "SpamAssassin",
    ("spamassassin",),
    "The test of how letters look needs SpamAssassin: install the package spamassassin.",
)
NODE = Need(
    "Node.js",
    ("nodejs",),
    "The tests of openid-client and SMPP need Node.js: install the package nodejs.",
)
NPM = Need("npm", ("npm",), "The tests of openid-client and SMPP need npm: install the package npm.")
CADDY = Need("Caddy", ("caddy",), "The gate's test needs Caddy: install the package caddy (none has to be running).")
XMLSEC1 = Need("xmlsec1", ("xmlsec1",), "The test of pysaml2 needs xmlsec1: install the package xmlsec1.")
JAVA = Need(
    "Java", ("default-jdk-headless",), "The test of Spring needs Java: install the package default-jdk-headless."
)
MAVEN = Need("Maven", ("maven",), "The test of Spring needs Maven: install the package maven.")
RUBY = Need("Ruby", ("ruby",), "The test of ruby-saml needs Ruby: install the package ruby.")
RUBY_SAML = Need("ruby-saml", ("ruby-saml",), "The test of ruby-saml needs the library: install the package ruby-saml.")
GO = Need(
    "Go",
    (),
    "The tests of Traefik and oauth2-proxy need Go 1.26 or later: install it by hand, Debian 12 has an older one.",
)

# What `make test-servers` looks for: the names of programs, or whole paths, any one of which is enough.
SERVERS = {
    NGINX: ("nginx",),
    APACHE: ("apache2",),
    AUTH_OPENIDC: (f"{APACHE_MODULES}/mod_auth_openidc.so",),
    AUTH_MELLON: (f"{APACHE_MODULES}/mod_auth_mellon.so",),
    SHIBBOLETH: ("shibd",),
    DOVECOT: ("dovecot",),
    KANNEL: ("bearerbox",),
    LMTP: ("/usr/lib/dovecot/lmtp", "/usr/libexec/dovecot/lmtp"),
    POSTFIX: ("postfix",),
    SPAMASSASSIN: ("spamassassin",),
    NODE: ("node", "nodejs"),
    NPM: ("npm",),
    CADDY: ("caddy",),
    JAVA: ("java",),
    MAVEN: ("mvn",),
    RUBY: ("ruby",),
    RUBY_SAML: ("/usr/share/rubygems-integration/all/specifications/ruby-saml-1.13.0.gemspec",),
    XMLSEC1: ("xmlsec1",),
    GO: ("go", "/usr/local/go/bin/go"),
}


def find_server(need: Need) -> str | None:
    """Path of a server program or module, or None. Servers often stand where a person's PATH does not look."""
    for name in SERVERS[need]:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if found or Path(name).is_file():
            return found or name
    return None


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome, or None. MASSAR_TEST_CHROMIUM wins over everything that is found."""
    named = os.environ.get("MASSAR_TEST_CHROMIUM")
    if named:
        return shutil.which(named)
    for name in CHROMIUM_NAMES:
        found = shutil.which(name)
        if found:
            return found
    for place in CHROMIUM_PLACES:
        if os.access(place, os.X_OK):
            return place
    return _playwright_chromium()


def _playwright_chromium() -> str | None:
    for cache in PLAYWRIGHT_CACHES:
        for pattern in ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/*.app/Contents/MacOS/*"):
            found = sorted((Path.home() / cache).glob(pattern))
            if found:
                return str(found[-1])
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
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders.append(Path("/usr/local/bin"))
    for pattern in POSTGRES_PATTERNS:
        folders.extend(sorted(Path("/").glob(pattern), key=_version, reverse=True))
    for folder in folders:
        if all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres")):
            return folder
    return None


def _version(folder: Path) -> tuple[int, ...]:
    digits = "".join(sign if sign.isdigit() else " " for sign in str(folder))
    return tuple(int(number) for number in digits.split())


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


FINDERS = {CHROMIUM: find_chromium, DRIVER: find_driver, POSTGRES: find_postgres}


def lacking_for_the_browser() -> Need | None:
    """The first thing without which no page can be opened, or None."""
    return next((need for need in (CHROMIUM, DRIVER) if FINDERS[need]() is None), None)
